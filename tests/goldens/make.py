"""Writes the frozen tokens of the shipped model: ``python -m tests.goldens.make`` after new weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import codec
from codec.audio.io import read_audio


def main() -> None:
    model = codec.load()
    wave, rate = read_audio(Path(__file__).parent.parent / "data" / "speech.flac")
    tokens = {f"rate_{r}": model.encode(wave, rate, r).codes.numpy().astype(np.int16) for r in model.rates}
    np.savez_compressed(Path(__file__).parent / "speech_tokens.npz", model=model.fingerprint, **tokens)


if __name__ == "__main__":
    main()
