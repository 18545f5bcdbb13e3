"""How much a teacher's features vary inside a phoneme: what differs there is who speaks and where, not what is said.

Synthesisers tell which phoneme a clip holds when. In a space in which all directions vary alike inside a phoneme (that of a
linear discriminant analysis, Fisher 1936), k-means spends its codewords on what phonemes differ by.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from codec.data.speech import kokoro
from codec.data.store import SAMPLE_RATE, Entry
from codec.errors import CodecError
from train.crops import FRAME

UNIT = kokoro.FRAME / kokoro.SAMPLE_RATE
"""Seconds in a unit of a synthesiser's durations."""
RIDGE = 0.1
"""Of the mean variance, added to every direction's: what hardly varies must not count without bounds."""
FEWEST = 20
"""Frames of a phoneme, from which on it tells a covariance."""


def is_labelled(entry: Entry) -> bool:
    """Whether a clip comes with phonemes and their durations."""
    return {"phonemes", "durations"} <= entry.clip.labels.keys()


def phonemes_of(entry: Entry) -> list[str]:
    """The phoneme of every frame of 20 ms of a labelled clip; empty where a frame holds parts of two.

    Raises:
        CodecError: not as many durations as phonemes, and two pauses.
    """
    phonemes = ["<", *entry.clip.labels["phonemes"], ">"]
    durations = [int(units) * UNIT / entry.speed for units in entry.clip.labels["durations"].split()]
    if len(durations) != len(phonemes):
        raise CodecError(f"{entry.clip.path}: {len(durations)} durations for {len(phonemes)} phonemes and pauses")
    ends = np.cumsum(durations)
    starts = np.arange(-(-entry.samples // FRAME)) * FRAME / SAMPLE_RATE
    first, last = (np.searchsorted(ends, starts + offset, "right") for offset in (1e-6, FRAME / SAMPLE_RATE - 1e-6))
    inside = (first == last) & (last < len(phonemes))
    return [phonemes[at] if whole else "" for at, whole in zip(first, inside, strict=True)]


def within(features: np.ndarray, phonemes: Sequence[str]) -> np.ndarray:
    """``(frames, D)`` and the phoneme of each → ``(D, D)``, the mean covariance inside a phoneme.

    Raises:
        CodecError: no phoneme is there often enough.
    """
    parts, count = np.zeros((features.shape[1],) * 2), 0
    for rows in _rows_of_each(phonemes):
        parts += np.cov(features[rows].T) * len(rows)
        count += len(rows)
    if not count:
        raise CodecError(f"ssl.components=phonemes: no phoneme has {FEWEST} frames; add clips with phonemes, as of kokoro:1")
    covariance: np.ndarray = parts / count
    return covariance


def _rows_of_each(phonemes: Sequence[str]) -> Iterator[np.ndarray]:
    names, numbers = np.unique(np.array(phonemes), return_inverse=True)
    for number, name in enumerate(names):
        rows = np.flatnonzero(numbers == number)
        if name and len(rows) >= FEWEST:
            yield rows


def whitening(covariance: np.ndarray) -> np.ndarray:
    """``(D, D)``, symmetric: makes what has this covariance vary alike in all directions, but for a ridge."""
    variances, directions = np.linalg.eigh(covariance)
    scale: np.ndarray = (directions / np.sqrt(variances + RIDGE * variances.mean())) @ directions.T
    return scale
