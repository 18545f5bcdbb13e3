"""The pitch of a voice: fundamental frequency and voicing of every frame of 10 ms.

A small network of its own, taught by an established tracker: a codec that must discover pitch through its bottleneck learns it
late and badly.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from codec.config import PitchConfig
from codec.networks.convnext import ConvNeXt
from codec.networks.excitation import at_samples
from codec.networks.frontend import MEL_CENTRE

LOWEST_F0, HIGHEST_F0 = 55.0, 600.0
"""In Hz."""
N_BINS = 128
"""Classes of the tracker, even on a logarithmic scale: a third of a semitone each."""
OCTAVES = math.log2(HIGHEST_F0 / LOWEST_F0)
BINS_PER_OCTAVE = (N_BINS - 1) / OCTAVES
NEAR = 3
"""Bins on either side of the likeliest over which its place is averaged."""
MIDDLE_OCTAVE = 1.5
"""Octaves above `LOWEST_F0`: 156 Hz, about the middle of voices."""


class Pitch(NamedTuple):
    """Pitch of frames at 100 Hz.

    Attributes:
        f0: ``(B, T)`` in Hz; some number above 0 where there is no voice.
        voiced: ``(B, T)``, 1 where there is one and 0 elsewhere.
    """

    f0: Tensor
    voiced: Tensor


def octaves(f0: Tensor) -> Tensor:
    """Hz → octaves above `LOWEST_F0`."""
    return torch.log2(f0 / LOWEST_F0)


def hertz(octave: Tensor) -> Tensor:
    """Octaves above `LOWEST_F0` → Hz, inside a voice's range."""
    return (LOWEST_F0 * torch.exp2(octave)).clamp(LOWEST_F0, HIGHEST_F0)


def to_bins(f0: Tensor) -> Tensor:
    """Hz → place among the tracker's classes, 0 … `N_BINS` − 1."""
    return octaves(f0.clamp(LOWEST_F0, HIGHEST_F0)) * BINS_PER_OCTAVE


class PitchTracker(nn.Module):
    """log-mel and correlogram → F0 and voicing.

    Args:
        config: sizes.
        n_features: width of both together.
    """

    def __init__(self, config: PitchConfig, n_features: int) -> None:
        super().__init__()
        self.stem = nn.Linear(n_features, config.dim)
        self.backbone = ConvNeXt(config.dim, config.hidden_dim, config.dilations)
        self.head = nn.Linear(config.dim, N_BINS + 1)

    @property
    def receptive_field(self) -> int:
        """Frames to either side, at 100 Hz."""
        return self.backbone.receptive_field

    def logits(self, mel: Tensor, correlogram: Tensor) -> tuple[Tensor, Tensor]:
        """``(B, T, N_BINS)`` of the classes, and ``(B, T)`` of voicing."""
        x = self.head(self.backbone(self.stem(torch.cat([mel + MEL_CENTRE, correlogram], -1))))
        return x[..., :-1], x[..., -1]

    def forward(self, mel: Tensor, correlogram: Tensor) -> Pitch:
        """``(B, T, n_mels)`` and ``(B, T, n_lags)`` → pitch."""
        classes, voiced = self.logits(mel, correlogram)
        bins = torch.arange(N_BINS, device=classes.device)
        near = (bins - classes.argmax(-1, keepdim=True)).abs() <= NEAR
        share = torch.softmax(classes.float().masked_fill(~near, -torch.inf), -1)
        return Pitch(hertz((share * bins).sum(-1) / BINS_PER_OCTAVE), (voiced > 0).float())


def pitch_index(pitch: Pitch, frames: int, levels: int) -> Tensor:
    """The pitch of blocks of frames, as a part of a token.

    Args:
        pitch: ``(B, N · frames)``.
        frames: in a block.
        levels: of the index.

    Returns:
        ``(B, N)`` int64: 0 where less than half a block is voiced, else the mean on a scale of octaves.
    """
    voiced, octave = (part.unflatten(1, (-1, frames)) for part in (pitch.voiced, octaves(pitch.f0)))
    count = voiced.sum(-1)
    mean = (voiced * octave).sum(-1) / count.clamp(min=1)
    index = 1 + (mean * ((levels - 2) / OCTAVES)).round().clamp(0, levels - 2)
    return torch.where(2 * count >= frames, index, 0.0).long()


def pitch_track(index: Tensor, frames: int, levels: int) -> Tensor:
    """Indices of blocks → octaves of their frames: straight lines between the middles of voiced blocks, held towards others.

    Args:
        index: ``(B, N)``, as `pitch_index` gives it.
        frames: in a block.
        levels: of the index.

    Returns:
        ``(B, N · frames)``.

    Example:
        >>> pitch_track(torch.tensor([[0, 1, 5]]), 2, 6).tolist()[0][1:5]  # doctest: +ELLIPSIS
        [0.0, 0.0, 0.8..., 2.5...]
    """
    voiced = (index > 0).float()
    octave = (index - 1).clamp(min=0) * (OCTAVES / (levels - 2))
    weight, total = at_samples(voiced, frames), at_samples(voiced * octave, frames)
    return torch.where(weight > 1e-3, total / weight.clamp(min=1e-3), MIDDLE_OCTAVE)
