"""Pitch labels of a corpus: F0 and voicing of every 10 ms by Praat's autocorrelation (Boersma 1993), cached beside features.

They are made once, and only for training: the codec has a tracker of its own.
"""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from codec.data.progress import heard
from codec.data.store import SAMPLE_RATE, Corpus, Entry
from codec.data.tones import ORIGIN as TONES
from codec.errors import CodecError
from codec.networks.pitch import HIGHEST_F0, LOWEST_F0, Pitch
from train.config import TrainConfig
from train.crops import FRAME, cached_entries, first_frames, frames_of, open_features
from train.filling import Filling
from train.lineage import digest_of_corpus, require_origin

LABELS_PER_FRAME = 2
"""Of 10 ms in a frame of 20 ms."""
HOP = FRAME // LABELS_PER_FRAME
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


def cache_labels(config: TrainConfig) -> None:
    """Labels every train and valid clip."""
    corpus = Corpus(config.folder("corpus"))
    entries, rows = cached_entries(corpus), first_frames(corpus)
    filling = Filling(
        config.folder("pitch"), frames_of(entries), LABELS_PER_FRAME, corpus=digest_of_corpus(corpus), tracker="praat-ac"
    )
    left = entries[filling.done :]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        pairs = zip(left, pool.map(partial(_labels, corpus.folder), left, chunksize=16), strict=True)
        total = sum(entry.seconds for entry in left)
        for entry, labels in filling.keep(heard("pitch", pairs, lambda pair: pair[0].seconds, total)):
            filling.features[rows[entry.start] : rows[entry.start] + len(labels)] = labels
    filling.finish(corpus=digest_of_corpus(corpus))


_corpus = cache(Corpus)
"""One in every process."""


def _labels(folder: Path, entry: Entry) -> np.ndarray:
    """``(frames, LABELS_PER_FRAME)`` of a clip."""
    wave = _corpus(folder).wave(entry)
    frames = -(-len(wave) // FRAME)
    padded = np.pad(wave, (0, frames * FRAME - len(wave)))
    voiceless = entry.clip.origin == TONES  # a sine is the head's to draw, not a voice's
    labels = np.full(frames * LABELS_PER_FRAME, -RESTING_F0) if voiceless else track(padded)
    return labels.reshape(frames, LABELS_PER_FRAME)


def open_labels(config: TrainConfig, corpus: Corpus) -> np.ndarray:
    """The labels that `cache` left, ``(frames, 2)``.

    Raises:
        CodecError: there are none, or they are of another corpus.
    """
    folder = config.folder("pitch")
    labels = open_features(folder)
    require_origin(folder / "features.json", corpus=digest_of_corpus(corpus))
    return labels


def labelled(labels: torch.Tensor) -> Pitch:
    """``(B, T, 2)`` cached labels → the pitch of ``2 · T`` frames of 10 ms."""
    flat = labels.flatten(1).float()
    return Pitch(flat.abs().clamp(LOWEST_F0, HIGHEST_F0), (flat > 0).float())
