"""Published weights: where their publishers keep them, and where they lie on this machine."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from codec.errors import ModelError
from codec.provenance import sha256_of


@dataclass(frozen=True)
class Weights:
    """One file of a publisher.

    Attributes:
        file: its name, also on this machine.
        url: public address.
        licence: as its publisher states it.
        sha256: where the publisher states one; otherwise what came first is trusted, recorded beside it and said.
        original: name under which the codec's own package publishes the same weights; behind a dash, if it has one, are
            the first digits of their SHA-256.
    """

    file: str
    url: str
    licence: str
    sha256: str | None = None
    original: str | None = None


def _hub(repository: str, licence: str, file: str = "model.safetensors", original: str | None = None) -> Weights:
    return Weights(Path(file).name, f"https://huggingface.co/{repository}/resolve/main/{file}", licence, original=original)


# Safetensors where the publisher has them; the others are read as plain tensors (weights_only), never unpickled.
WEIGHTS: dict[str, Weights] = {
    "encodec_24khz": _hub("facebook/encodec_24khz", "not stated by its repository", original="encodec_24khz-d7cc33bc.th"),
    "encodec_48khz": _hub("facebook/encodec_48khz", "MIT", original="encodec_48khz-7e698e3e.th"),
    "dac_16khz": _hub("descript/dac_16khz", "MIT", original="weights_16khz.pth"),
    "dac_24khz": _hub("descript/dac_24khz", "MIT", original="weights_24khz.pth"),
    "dac_44khz": _hub("descript/dac_44khz", "MIT", original="weights.pth"),
    "mimi": _hub("kyutai/mimi", "CC-BY-4.0"),
    "snac_24khz": _hub("hubertsiuzdak/snac_24khz", "MIT", "pytorch_model.bin"),
    "speechtokenizer": _hub("fnlp/SpeechTokenizer", "Apache-2.0", "speechtokenizer_hubert_avg/SpeechTokenizer.pt"),
    "xcodec2": _hub("HKUSTAudio/xcodec2-hf", "CC-BY-NC-4.0"),
}


def models_folder() -> Path:
    """``$SEMCODEC_MODELS`` or ``~/.cache/semcodec/models``."""
    chosen = os.environ.get("SEMCODEC_MODELS")
    return Path(chosen) if chosen else Path.home() / ".cache" / "semcodec" / "models"


def weights_path(family: str) -> Path:
    """Where the weights of a codec belong, there or not."""
    return models_folder() / family / WEIGHTS[family].file


def how_to_get(family: str) -> str:
    """One line for who lacks them."""
    return f"codec models --fetch {family} (from {WEIGHTS[family].url}), or put them at {weights_path(family)}"


def require_weights(family: str) -> Path:
    """The file.

    Raises:
        ModelError: not on this machine; says how to get it.
    """
    path = find_weights(family)
    if path is None:
        raise ModelError(f"{family}: its weights are not on this machine: {how_to_get(family)}")
    return path


def find_weights(family: str) -> Path | None:
    """The file as `codec models --fetch` gets it, else the one of the codec's own package; None if neither is here.

    Raises:
        ModelError: the package's file does not have the checksum in its name.
    """
    path, original = weights_path(family), WEIGHTS[family].original
    if path.is_file() or original is None:
        return path if path.is_file() else None
    path = path.with_name(original)
    if not path.is_file():
        return None
    stated = path.stem.partition("-")[2]
    if not sha256_of(path).startswith(stated):
        raise ModelError(f"{path}: damaged; its sha256 does not begin with {stated}")
    return path


def record_of(path: Path) -> Path:
    """Where the checksum of a downloaded file is written down."""
    return path.with_name(f"{path.name}.sha256")


def recorded(path: Path) -> str | None:
    """The checksum that was written down when a file was downloaded; None for one that came another way."""
    record = record_of(path)
    return next(iter(record.read_text("utf-8").split()), None) if record.is_file() else None
