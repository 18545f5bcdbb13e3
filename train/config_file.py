"""Reads a config: a YAML file over the one that it names as its ``base``, and overrides over both."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from codec.errors import CodecError, did_you_mean, first_error

if TYPE_CHECKING:
    from pydantic import ValidationError
    from yaml import SafeLoader

    from codec.config import Config
    from train.config import TrainConfig

CONFIGS = Path(__file__).parent / "configs"


def read_config(path: Path, overrides: list[str]) -> TrainConfig:
    """Reads a config file and applies overrides.

    Args:
        path: of a YAML file, or the name of one that comes with the package, as in ``nano``. Its key ``base`` names
            another one, relative to its folder, whose values hold where it has none.
        overrides: ``KEY=VALUE``, nested keys with dots.

    Raises:
        CodecError: unreadable file, unknown key or wrong type.
    """
    path = find_config(path)
    return _parsed(path, lambda: _read(path, ()), overrides)


def _parsed(path: Path, read: Callable[[], dict[str, Any]], overrides: list[str]) -> TrainConfig:
    """A config of what ``read`` gives, with overrides; what is wrong with either is one line that names the path."""
    try:
        import yaml
    except ImportError as error:
        raise CodecError("training needs pyyaml: pip install 'semcodec[train]'") from error
    from pydantic import ValidationError

    from train.config import TrainConfig

    try:
        raw = read()
        _override(raw, overrides)
        return TrainConfig.read(raw)
    except OSError as error:
        raise CodecError(f"{error.filename or path}: {error.strerror}") from error
    except (yaml.YAMLError, AttributeError, TypeError, UnicodeDecodeError) as error:
        raise CodecError(f"{path}: not a valid config ({error})") from error
    except ValidationError as error:
        raise CodecError(f"{path}: {first_error(error)}{_advice(error)}") from error


def find_config(path: Path) -> Path:
    """A file, or one of those that come with the package by its name.

    Raises:
        CodecError: a name that none of them has.
    """
    if path.is_file() or path.suffix or len(path.parts) > 1:
        return path
    known = sorted(file.stem for file in CONFIGS.glob("*.yaml") if not file.stem.startswith("diffusion"))
    if path.name not in known:
        raise CodecError(f"no config {path.name!r}{did_you_mean(path.name, known)}")
    return CONFIGS / f"{path.name}.yaml"


def read_run(root: Path, overrides: list[str]) -> TrainConfig:
    """The config that a run was last started with, as its stages left it.

    Args:
        root: of the run, wherever it lies now.
        overrides: ``KEY=VALUE`` over it.

    Raises:
        CodecError: no run there, or one of another version.
    """
    path, raw = _last_record(root)
    return _parsed(path, lambda: raw, [*overrides, f"root={json.dumps(str(root))}"])


def _last_record(root: Path) -> tuple[Path, dict[str, Any]]:
    records = [*root.glob("*/config.json"), *root.glob("*.json")]
    for path in sorted(records, key=lambda path: path.stat().st_mtime, reverse=True):
        try:
            about = json.loads(path.read_text("utf-8"))
            raw = about["resolved" if path.parent == root else "config"]
            raw["corpus"]["sources"]
        except (OSError, ValueError, KeyError, TypeError):
            continue  # a model's config, say
        return path, raw
    raise CodecError(f"{root}: no training run here; name a config: codec train --config nano root={root}")


def _override(raw: dict[str, Any], overrides: list[str]) -> None:
    for item in overrides:
        key, _, value = item.partition("=")
        *sections, last = key.split(".")
        place = raw
        for section in sections:
            place = place.setdefault(section, {})
        place[last] = load_yaml(value)


def _advice(error: ValidationError) -> str:
    """What an unknown key may have meant."""
    from codec.config import Config
    from train.config import TrainConfig

    first = error.errors()[0]
    if first["type"] != "extra_forbidden":
        return ""

    def sections(annotation: Any) -> list[type[Config]]:
        if isinstance(annotation, type) and issubclass(annotation, Config):
            return [annotation]
        return [kind for part in get_args(annotation) for kind in sections(part)]

    kinds: list[type[Config]] = [TrainConfig]
    *above, key = [str(part) for part in first["loc"] if not str(part).startswith("<")]
    for part in above:
        kinds = [inner for kind in kinds if part in kind.model_fields for inner in sections(kind.model_fields[part].annotation)]
    return did_you_mean(key, [name for kind in kinds for name in kind.model_fields])


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
