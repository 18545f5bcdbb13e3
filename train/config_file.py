"""Reads a config: a YAML file over the one that it names as its ``base``, and overrides over both."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codec.errors import CodecError, first_error

if TYPE_CHECKING:
    from yaml import SafeLoader

    from codec.config import Config
    from train.config import TrainConfig


def read_config(path: Path, overrides: list[str]) -> TrainConfig:
    """Reads a config file and applies overrides.

    Args:
        path: of a YAML file. Its key ``base`` names another one, relative to its folder, whose values hold where it has none.
        overrides: ``KEY=VALUE``, nested keys with dots.

    Raises:
        CodecError: unreadable file, unknown key or wrong type.
    """
    try:
        import yaml
    except ImportError as error:
        raise CodecError("training needs pyyaml: pip install semcodec[train]") from error
    from pydantic import ValidationError

    from train.config import TrainConfig

    try:
        raw = _read(path, ())
        for item in overrides:
            key, _, value = item.partition("=")
            *sections, last = key.split(".")
            place = raw
            for section in sections:
                place = place.setdefault(section, {})
            place[last] = load_yaml(value)
        return TrainConfig.read(raw)
    except OSError as error:
        raise CodecError(f"{error.filename or path}: {error.strerror}") from error
    except (yaml.YAMLError, AttributeError, TypeError, UnicodeDecodeError) as error:
        raise CodecError(f"{path}: not a valid config ({error})") from error
    except ValidationError as error:
        raise CodecError(f"{path}: {first_error(error)}") from error


def load_yaml(text: str) -> Any:
    """Reads YAML, where ``8e-4`` is a number as it is in JSON and YAML 1.2; PyYAML asks for ``8.0e-4``.

    Example:
        >>> load_yaml("{steps: 5, learning_rate: 8e-4}")
        {'steps': 5, 'learning_rate': 0.0008}
    """
    loader = _loader()(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


@cache
def _loader() -> type[SafeLoader]:
    import yaml

    class Loader(yaml.SafeLoader):
        """With a pattern of its own: PyYAML's is shared by all of a process."""

    exponent = re.compile(r"[-+]?[0-9][0-9_]*(\.[0-9_]*)?[eE][-+]?[0-9]+$")
    Loader.add_implicit_resolver("tag:yaml.org,2002:float", exponent, list("-+0123456789"))
    return Loader


def _read(path: Path, above: tuple[Path, ...]) -> dict[str, Any]:
    from train.config import TrainConfig

    if path.resolve() in above:
        raise CodecError(f"{path}: is its own base")
    raw: dict[str, Any] = load_yaml(path.read_text("utf-8-sig")) or {}
    base = raw.pop("base", None)
    return raw if base is None else over(_read(path.parent / base, (*above, path.resolve())), raw, TrainConfig)


def over(base: dict[str, Any], own: dict[str, Any], kind: type[Config]) -> dict[str, Any]:
    """Values of ``own`` over those of ``base``: section by section, all else (shares of domains, say) as a whole.

    Example:
        >>> from train.config import TrainConfig
        >>> base = {"seed": 1, "codec": {"steps": 5, "weights": {"speech": 1, "music": 1}}}
        >>> over(base, {"codec": {"weights": {"sound": 1}}}, TrainConfig)
        {'seed': 1, 'codec': {'steps': 5, 'weights': {'sound': 1}}}
    """
    from codec.config import Config

    merged = dict(base)
    for key, value in own.items():
        section = kind.model_fields[key].annotation if key in kind.model_fields else None
        if isinstance(section, type) and issubclass(section, Config) and isinstance(value, dict):
            merged[key] = over(base.get(key) or {}, value, section)
        else:
            merged[key] = value
    return merged
