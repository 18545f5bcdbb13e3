"""What happens to sound on its way: somebody else speaks, a telephone or a far microphone takes it, a recorder overloads."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.signal import butter, sosfilt

from codec.data.room import reverberate
from codec.data.store import SAMPLE_RATE

SIGNAL_TO_OTHER_DB = (-3.0, 20.0)
"""Range of a clip's level above that of what sounds beside it."""
TELEPHONE_HZ = ((150.0, 400.0), (3_000.0, 3_800.0))
"""Ranges of a telephone's lower and upper edge."""
FAR_DIRECT_DB = (-6.0, 3.0)
"""Range of the direct sound's energy above the echo's, far from the microphone."""
OVERDRIVE_DB = (3.0, 18.0)
"""Range of a peak's level above the one at which a recorder clips."""


def disturb(wave: np.ndarray, other: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One of four things, by chance.

    Args:
        wave: ``(samples,)`` float32, as corpora keep it.
        other: what may sound beside it, of any length above 0.
        rng: decides everything.

    Returns:
        ``(samples,)`` float32, inside ±1.

    Example:
        >>> disturb(np.ones(100, np.float32), np.ones(7, np.float32), np.random.default_rng(0)).shape
        (100,)
    """
    ways: tuple[Callable[[], np.ndarray], ...] = (
        lambda: beside(wave, other, rng),
        lambda: telephone(wave, rng, SAMPLE_RATE),
        lambda: reverberate(wave, rng, SAMPLE_RATE, FAR_DIRECT_DB),
        lambda: overdrive(wave, rng),
    )
    changed = ways[rng.integers(len(ways))]()
    return (changed * min(1.0, 0.99 / max(np.abs(changed).max(), 1e-9))).astype(np.float32)


def beside(wave: np.ndarray, other: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Another sound from a random moment on, over and over."""
    shifted = np.resize(np.roll(other, -int(rng.integers(len(other)))), len(wave))
    wanted = _rms(wave) * 10 ** (-rng.uniform(*SIGNAL_TO_OTHER_DB) / 20)
    return wave + shifted * (wanted / max(_rms(shifted), 1e-9))


def telephone(wave: np.ndarray, rng: np.random.Generator, sample_rate: int) -> np.ndarray:
    """Only what a telephone lets through."""
    edges = [rng.uniform(*range_) for range_ in TELEPHONE_HZ]
    return np.asarray(sosfilt(butter(4, edges, "bandpass", fs=sample_rate, output="sos"), wave))


def overdrive(wave: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Peaks cut off flat."""
    limit = np.abs(wave).max() * 10 ** (-rng.uniform(*OVERDRIVE_DB) / 20)
    return np.clip(wave, -limit, limit)


def _rms(wave: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(wave, dtype=np.float64))))
