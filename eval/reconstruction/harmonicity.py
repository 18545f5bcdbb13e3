"""How far a voice still rings: correlation of what sounds with itself one period later, in bands."""

from __future__ import annotations

import numpy as np
from scipy.signal import butter, resample_poly, sosfiltfilt

BANDS = {"harmonicity_low": (70.0, 1_000.0), "harmonicity_high": (1_000.0, 4_000.0)}
"""In Hz. Buzz and whisper lose the upper one first."""
UPSAMPLING = 4
"""At 16 kHz half a sample is an eighth of a period of 4 kHz: too coarse to line up two periods."""
WINDOW_SECONDS = 0.04
SLACK = 0.01
"""Share of the period by which the best one may differ: the pitch moves inside the window."""


def harmonicity(wave: np.ndarray, f0: np.ndarray, band: tuple[float, float], hop_length: int, sample_rate: int) -> float | None:
    """Mean normalised correlation of a band with itself one period later, over the frames that have a period.

    Args:
        wave: ``(samples,)``.
        f0: ``(frames,)`` in Hz, NaN where there is none, as of the original; frame i is centred on sample i · hop_length.
        band: lowest and highest frequency, in Hz.
        hop_length: in samples.
        sample_rate: in Hz.

    Returns:
        1 for what repeats exactly, about 0 for noise; None without any voiced frame.

    Example:
        >>> tone = np.sin(2 * np.pi * 200 * np.arange(16_000) / 16_000)
        >>> round(harmonicity(tone, np.full(100, 200.0), (70, 1000), 160, 16_000), 2)
        1.0
    """
    rate = sample_rate * UPSAMPLING
    sections = butter(4, band, "bandpass", fs=rate, output="sos")
    filtered = sosfiltfilt(sections, resample_poly(wave.astype(np.float64), UPSAMPLING, 1))
    half = round(WINDOW_SECONDS * rate / 2)
    found = []
    for frame in np.flatnonzero(np.isfinite(f0)):
        centre, period = frame * hop_length * UPSAMPLING, rate / f0[frame]
        start, slack = round(centre - half - period / 2), max(1, round(SLACK * period))
        stop = start + 2 * half + round(period) + slack
        if start >= 0 and stop <= len(filtered):
            found.append(_best(filtered[start:stop], 2 * half, round(period), slack))
    return float(np.mean(found)) if found else None


def _best(span: np.ndarray, length: int, period: int, slack: int) -> float:
    """Highest normalised correlation of the span's beginning with what follows about a period later."""
    first = span[:length]
    later = np.lib.stride_tricks.sliding_window_view(span, length)[period - slack : period + slack + 1]
    energy = np.sqrt((first @ first) * np.einsum("ij,ij->i", later, later))
    return float(np.max(later @ first / np.maximum(energy, 1e-12)))
