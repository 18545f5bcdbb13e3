"""What a training sounds like: held-out clips beside what becomes of them, for TensorBoard's audio and pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from codec.features import LogMel

RANGE = 4.0
"""Decades of magnitude below the loudest band of the original that a picture shows."""
MAGMA = np.array([(0, 0, 4), (59, 15, 112), (140, 41, 129), (222, 73, 104), (254, 159, 109), (252, 253, 191)], np.float64)
"""Colours at even distances of matplotlib's map of that name, which training does without."""
PIXELS_PER_BAND, GAP = 2, 4


@dataclass(frozen=True)
class Specimens:
    """What a model makes of a few held-out clips.

    Attributes:
        clips: by domain; of each its waves ``(samples,)`` by what they are, ``original`` first.
        usage: figures of the codes that they became.
    """

    clips: Mapping[str, Mapping[str, Tensor]] = field(default_factory=dict)
    usage: Mapping[str, float] = field(default_factory=dict)


def picture(waves: Sequence[Tensor], sample_rate: int) -> np.ndarray:
    """Mel spectrograms one below the other, all on the scale of the first.

    Args:
        waves: ``(samples,)`` each, of one length.
        sample_rate: in Hz.

    Returns:
        ``(height, width, 3)`` uint8.
    """
    together = torch.stack([wave.detach().float().cpu() for wave in waves])
    hop = sample_rate // 100
    mels = LogMel(sample_rate, 6 * hop, hop)(together[:, : together.shape[1] // hop * hop]).transpose(1, 2).flip(1).numpy()
    heights = np.clip(1 + (mels - mels[0].max()) / RANGE, 0, 1) * (len(MAGMA) - 1)
    colours = np.stack([np.interp(heights, np.arange(len(MAGMA)), channel) for channel in MAGMA.T], -1)
    rows = colours.round().astype(np.uint8).repeat(PIXELS_PER_BAND, 1)
    gapped = np.pad(rows, ((0, 0), (0, GAP), (0, 0), (0, 0)), constant_values=255)
    return gapped.reshape(-1, *gapped.shape[2:])[:-GAP]
