"""Pitch labels of a corpus: F0 and voicing of every 10 ms as Praat finds them, cached beside features.

They are made once, and only for training: the codec has a tracker of its own.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch

from codec.data.progress import heard
from codec.data.store import Corpus
from codec.networks.pitch import HIGHEST_F0, LOWEST_F0, Pitch
from codec.processes import in_order, processors
from train.config import TrainConfig
from train.crops import cached_entries, first_frames, frames_of, open_features
from train.filling import Filling
from train.lineage import digest_of_corpus, require_origin
from train.voice.praat import LABELS_PER_FRAME, labelling

AHEAD = 64
"""Clips that are given out before the labels of the first are back."""


def cache_labels(config: TrainConfig) -> None:
    """Labels every train and valid clip."""
    corpus = Corpus(config.folder("corpus"))
    entries, rows = cached_entries(corpus), first_frames(corpus)
    filling = Filling(
        config.folder("pitch"), frames_of(entries), LABELS_PER_FRAME, corpus=digest_of_corpus(corpus), tracker="praat-ac"
    )
    left = entries[filling.done :]
    pairs = in_order(left, partial(labelling, corpus.folder), processors(), AHEAD)
    total = sum(entry.seconds for entry in left)
    for entry, labels in filling.keep(heard("pitch", pairs, lambda pair: pair[0].seconds, total)):
        filling.features[rows[entry.start] : rows[entry.start] + len(labels)] = labels
    filling.finish(corpus=digest_of_corpus(corpus))


def open_labels(config: TrainConfig, corpus: Corpus) -> np.ndarray:
    """The labels that `cache_labels` left, ``(frames, 2)``.

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
