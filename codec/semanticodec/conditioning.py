"""Tokens → what the U-Net attends to, window by window."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from codec.semanticodec.acoustic import PADDING
from codec.semanticodec.config import POSITION_DIM, PublishedConfig

OVERLAP = 1 / 16
"""Share of a window of 10.24 s that it has in common with the next: 0.64 s."""


@dataclass(frozen=True)
class Codebooks:
    """Vectors of the tokens.

    Attributes:
        semantic: ``(vocab, F)`` k-means centroids.
        acoustic: ``(8192, F)``.
    """

    semantic: Tensor
    acoustic: Tensor

    def to(self, device: torch.device) -> Codebooks:
        """The same vectors elsewhere."""
        return Codebooks(self.semantic.to(device), self.acoustic.to(device))

    def vectors(self, codes: Tensor) -> Tensor:
        """``(B, 2, N)`` codes → ``(B, N, 2·F)``, acoustic first."""
        return torch.cat([self.acoustic[codes[:, 1]], self.semantic[codes[:, 0]]], dim=-1)


@dataclass(frozen=True)
class Context:
    """What the U-Net attends to, with and without the tokens.

    Attributes:
        given: ``(B, N, 2·F + 192)``.
        empty: the same shape, positions only; guidance leads away from what it makes.
    """

    given: Tensor
    empty: Tensor

    @staticmethod
    def of(vectors: Tensor, positions: int) -> Context:
        """``(B, n, 2·F)`` vectors, marked as padding up to ``positions``."""
        vectors = F.pad(vectors, (0, 0, 0, positions - vectors.shape[1]), value=PADDING)
        table = position_table(positions).to(vectors).expand(len(vectors), -1, -1)
        return Context(torch.cat([vectors, table], dim=-1), torch.cat([torch.zeros_like(vectors), table], dim=-1))


def position_table(positions: int) -> Tensor:
    """``(positions, 192)``: sines and cosines in turns."""
    frequencies = torch.exp(torch.arange(0, POSITION_DIM, 2).float() * (-math.log(10_000.0) / POSITION_DIM))
    angles = torch.arange(positions).float().unsqueeze(1) * frequencies
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)


def windows(pairs: int, config: PublishedConfig) -> list[tuple[int, int]]:
    """Start and length of the windows that so many token pairs are decoded in; neighbours overlap by 0.64 s."""
    step = config.window - int(config.window * OVERLAP)
    full = max(0, -(-(pairs - config.window) // step))
    return [(index * step, min(config.window, pairs - index * step)) for index in range(full + 1)]
