"""Clips of the free corpus that ``codec train corpus`` builds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from codec.errors import CodecError

MAX_SECONDS = 30


def clips_of(folder: Path, split: str, minutes: float, seed: int = 0) -> Iterator[tuple[np.ndarray, int]]:
    """Waves and their sample rate in Hz: so many minutes in all, at most half a minute of a clip, as recorded.

    Sped-up copies are left out.

    Raises:
        CodecError: no corpus there, or nothing in that split.
    """
    from codec.data.store import SAMPLE_RATE, Corpus

    corpus = Corpus(folder)
    entries = [entry for entry in corpus.select(split) if entry.speed == 1.0]
    if not entries:
        raise CodecError(f"{folder}: nothing in the {split} split")
    left = round(minutes * 60 * SAMPLE_RATE)
    for index in np.random.default_rng(seed).permutation(len(entries)):
        if left <= 0:
            return
        wave = corpus.wave(entries[index], samples=min(left, MAX_SECONDS * SAMPLE_RATE))
        left -= len(wave)
        yield wave, SAMPLE_RATE
