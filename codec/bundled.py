"""Models that come with the package, and where a model of ours lies: nothing here reads weights, nor needs torch."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from codec.errors import ModelError
from codec.limits import check_file

BUNDLED = {name: Path(__file__).parent / "weights" / name for name in ("semcodec-2",)}
"""Folders of the models that come with the package, the newest one first."""
DEFAULT = BUNDLED["semcodec-2"]
"""The folder of the one that ``default`` means."""
FORMER = {"2ffe5140a0825bf9": "semcodec-1"}
"""By fingerprint, names of models that came with earlier versions and that this one cannot run."""
MAX_CONFIG_BYTES = 1 << 20
READER, ENTROPY = "reader.safetensors", "entropy.safetensors"
"""Files beside a model's weights that belong to its tokens, and stay when the decoder is another."""


def former(name: str) -> str:
    """What to say of a model that this version cannot run."""
    return f"{name} is of the first architecture, which is no longer here: use the default model, and encode anew"


def folder_of(name: str | Path | None) -> Path:
    """Where a model of ours lies: one that comes with the package, or a folder."""
    return DEFAULT if name in (None, "default") else BUNDLED.get(str(name), Path(str(name)))


def files_of(name: str | Path | None) -> tuple[Path, Path]:
    """Folder and weights of a model of ours: one that comes with the package, a folder, or a ``.safetensors`` file."""
    place = folder_of(name)
    return (place.parent, place) if place.suffix == ".safetensors" else (place, place / "model.safetensors")


def share_token_files(source: Path, target: Path, replace: bool = True) -> None:
    """Gives a model what belongs to the tokens of another one, if its own are the same; there may be nothing.

    Args:
        source: folder of the other model.
        target: folder of the model.
        replace: whether files of its own go.
    """
    if source.resolve() == target.resolve() or fingerprint_of(source) != fingerprint_of(target):
        return
    for name in (READER, ENTROPY):
        if (source / name).is_file() and (replace or not (target / name).exists()):
            shutil.copyfile(source / name, target / name)


def fingerprint_of(folder: Path) -> str:
    """The fingerprint of its tokens that a model's config tells.

    Raises:
        ModelError: not there, or not of such a model.
    """
    return _told(folder, "fingerprint")


def decoder_of(folder: Path) -> str:
    """The fingerprint of its decoder that a model's config tells; empty for models from before there was one.

    Raises:
        ModelError: not there, or not of such a model.
    """
    return _told(folder, "decoder", "")


def _told(folder: Path, key: str, default: str | None = None) -> str:
    """One of the fingerprints in a model's config."""
    path = folder / "config.json"
    try:
        check_file(path, MAX_CONFIG_BYTES)
        raw = json.loads(path.read_text("utf-8-sig"))
        return default if default is not None and key not in raw else as_fingerprint(raw[key])
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelError(f"{path}: not a model's config ({type(error).__name__}: {error})") from error


def as_fingerprint(text: str) -> str:
    """Sixteen hexadecimal digits.

    Raises:
        ValueError: they are not.
    """
    fingerprint = bytes.fromhex(text)
    if len(fingerprint) != 8:
        raise ValueError("the fingerprint must have 16 hexadecimal digits")
    return fingerprint.hex()


def bundled(fingerprint: str) -> str | None:
    """Name of the model with this fingerprint among those that come with the package."""
    for name, folder in BUNDLED.items():
        if (folder / "config.json").is_file() and fingerprint_of(folder) == fingerprint:
            return name
    return None
