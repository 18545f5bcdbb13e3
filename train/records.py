"""What a stage was made from: ``ROOT/STAGE.json``, so that what another config left is not gone on with in silence."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from codec.atomic import atomic_write
from codec.config import Config
from codec.errors import CodecError
from codec.provenance import revision


def settings(config: Config, sections: Sequence[str]) -> dict[str, Any]:
    """Values of some sections of a config, nested ones under dotted keys, as JSON has them.

    Example:
        >>> from train.config import TrainConfig
        >>> settings(TrainConfig(), ["seed", "entropy"])
        {'seed': 0, 'entropy.hours': 1.0}
    """
    found: dict[str, Any] = {}
    for section in sections:
        value: Any = config
        for name in section.split("."):
            value = getattr(value, name)
        found.update(_leaves(section, value))
    return dict(json.loads(json.dumps(found, default=_as_json)))


def _leaves(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, Config):
        yield key, value
        return
    for name in type(value).model_fields:
        yield from _leaves(f"{key}.{name}", getattr(value, name))


FORMERLY = {"model.token_lengths": "model.stacks"}
"""Keys, and what earlier versions called them in their records."""


def write(path: Path, config: Config, values: dict[str, Any], seconds: float | None = None) -> None:
    """Writes a record.

    Args:
        path: of the record.
        config: all of it, for those who read the record.
        values: from `settings`: what decides what the stage makes.
        seconds: that the stage took; None while it is not done.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    taken = {} if seconds is None else {"seconds": round(seconds, 1)}
    with atomic_write(path) as handle:
        about = {"config": values, "revision": revision() or "unknown", **taken, "resolved": config.model_dump(mode="json")}
        handle.write(json.dumps(about, indent=1).encode())


def changed(config: Config, values: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    """Keys whose values differ. Versions differ in keys: one that the others do not know had its default, one that is gone
    does not count.

    Args:
        config: of now.
        values: from `settings`.
        theirs: what was written down earlier, with the same dotted keys.
    """
    known = {key: theirs[name] for key in values for name in (key, FORMERLY.get(key, key)) if name in theirs}
    return [key for key, value in values.items() if (known[key] if key in known else _default(config, key)) != value]


def _default(config: Config, key: str) -> Any:
    *sections, last = key.split(".")
    for name in sections:
        config = getattr(config, name)
    field = type(config).model_fields.get(last)  # what follows from fields has no default of its own
    return None if field is None else json.loads(json.dumps(field.get_default(call_default_factory=True), default=_as_json))


def _as_json(value: Any) -> Any:
    return value.model_dump(mode="json") if isinstance(value, Config) else str(value)


def refuse_another(path: Path, config: Config, values: dict[str, Any], product: Path) -> None:
    """Compares a record with the config of now.

    Args:
        path: of the record; without one (an older run, a folder from elsewhere) all is well.
        config: of now.
        values: from `settings`.
        product: what the stage made, for the message.

    Raises:
        CodecError: a value differs.
    """
    if not path.is_file():
        return
    differ = changed(config, values, json.loads(path.read_text("utf-8"))["config"])
    if differ:
        raise CodecError(
            f"{product}: made with another config ({', '.join(differ)} differ); choose another root, "
            f"or delete this folder and {path} to make it anew"
        )
