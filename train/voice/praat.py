"""Praat's pitch of a wave: its autocorrelation (Boersma 1993), which training takes for the truth.

Nothing here needs torch: there are as many processes that label clips as processors, and each would load it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from codec.data.store import SAMPLE_RATE, Corpus, Entry
from codec.data.tones import ORIGIN as TONES
from codec.errors import CodecError

HOP = 160
"""Samples of a label: 10 ms."""
LABELS_PER_FRAME = 2
"""Of 10 ms in a frame of 20 ms."""
FLOOR, CEILING = 60.0, 600.0
"""Range of the labels in Hz."""
RESTING_F0 = 150.0
"""Told where a clip has no voice at all."""


def needs() -> None:
    """Refuses to start without the tracker.

    Raises:
        CodecError: it is not installed.
    """
    if find_spec("parselmouth") is None:
        raise CodecError("pitch labels need praat-parselmouth: pip install 'semcodec[train]'")


def track(wave: np.ndarray) -> np.ndarray:
    """Labels of a wave at 16 kHz.

    Args:
        wave: ``(samples,)``.

    Returns:
        ``(samples // HOP,)`` float32 in Hz: negative where there is no voice, with the pitch that lies between its neighbours'.

    Example:
        >>> sawtooth = (np.arange(16_000) * 125 / 16_000 % 1 - 0.5) * 0.3
        >>> round(float(track(sawtooth)[50]))
        125
    """
    import parselmouth

    count = len(wave) // HOP
    silent = np.full(count, -RESTING_F0, np.float32)
    if len(wave) < 4 * SAMPLE_RATE // FLOOR or not np.isfinite(wave).all():
        return silent
    sound = parselmouth.Sound(np.asarray(wave, np.float64), SAMPLE_RATE)
    pitch = sound.to_pitch_ac(time_step=HOP / SAMPLE_RATE, pitch_floor=FLOOR, pitch_ceiling=CEILING)
    found, times = pitch.selected_array["frequency"], pitch.xs()
    if not (found > 0).any():
        return silent
    middles = (np.arange(count) + 0.5) * HOP / SAMPLE_RATE
    nearest = np.clip(np.round((middles - times[0]) * SAMPLE_RATE / HOP).astype(int), 0, len(found) - 1)
    held = np.exp(np.interp(middles, times[found > 0], np.log(found[found > 0])))
    return np.where(found[nearest] > 0, held, -held).astype(np.float32)


def labelling(folder: Path) -> Callable[[Entry], np.ndarray]:
    """What labels clips of the corpus in a folder: ``(frames, LABELS_PER_FRAME)`` of a clip, tones without a voice."""
    return partial(_labels, Corpus(folder))


def _labels(corpus: Corpus, entry: Entry) -> np.ndarray:
    wave = corpus.wave(entry)
    samples = LABELS_PER_FRAME * HOP
    frames = -(-len(wave) // samples)
    padded = np.pad(wave, (0, frames * samples - len(wave)))
    voiceless = entry.clip.origin == TONES  # a sine is the head's to draw, not a voice's
    labels = np.full(frames * LABELS_PER_FRAME, -RESTING_F0) if voiceless else track(padded)
    return labels.reshape(frames, LABELS_PER_FRAME)
