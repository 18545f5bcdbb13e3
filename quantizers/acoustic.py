"""The acoustic token: finite scalar quantisation (arXiv 2309.15505).

Training goes through vector-quantize-pytorch, whose gradients pass straight through the rounding. Encoding and decoding
are the same few lines of arithmetic without it: importing the package takes longer than encoding a song.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from typing_extensions import Self

from quantizers.result import Quantized

EPSILON = 1e-3
"""Keeps the outermost levels reachable: the bounding tanh is widened by this share."""


class AcousticQuantizer(nn.Module):
    """Rounds each of a few bounded dimensions to its own number of levels; no codebook to collapse.

    Args:
        levels: per dimension; their product is the codebook size.

    Example:
        >>> quantizer = AcousticQuantizer((8, 8, 8, 4, 4))
        >>> quantizer.codebook_size
        8192
        >>> quantizer(torch.zeros(1, 3, 5)).codes.shape
        torch.Size([1, 3])
    """

    levels: Tensor
    strides: Tensor

    def __init__(self, levels: Sequence[int]) -> None:
        super().__init__()
        self.dim = len(levels)
        self.codebook_size = math.prod(levels)
        self.register_buffer("levels", torch.tensor(levels), persistent=False)
        strides = [math.prod(levels[:index]) for index in range(self.dim)]
        self.register_buffer("strides", torch.tensor(strides), persistent=False)

    @cached_property
    def _trainer(self) -> Any:
        from vector_quantize_pytorch import FSQ

        return FSQ(self.levels.tolist()).to(self.levels.device)

    def _apply(self, *arguments: Any, **options: Any) -> Self:
        """Moves the module; what trains it is no part of it, and is made anew where it goes."""
        self.__dict__.pop("_trainer", None)
        return super()._apply(*arguments, **options)  # type: ignore[no-untyped-call]

    def forward(self, latents: Tensor) -> Quantized:
        """``(B, T, dim)`` unbounded → values in ±1 and codes."""
        if latents.requires_grad:
            values, codes = self._trainer(latents.float())
            return Quantized(values, codes.long())
        codes = self.encode(latents)
        return Quantized(self.decode(codes), codes)

    def encode(self, latents: Tensor) -> Tensor:
        """``(B, T, dim)`` unbounded → ``(B, T)`` codes."""
        digits = self._bounded(latents).round().long() + self.levels // 2
        return (digits * self.strides).sum(-1)

    def bound(self, latents: Tensor) -> Tensor:
        """``(B, T, dim)`` unbounded → values as `decode` gives them, but not rounded to levels."""
        return self._bounded(latents) / (self.levels // 2)

    def _bounded(self, latents: Tensor) -> Tensor:
        # An even number of levels has no middle: shift by half a level, so that 0 still maps to a level.
        half = (self.levels - 1) * (1 + EPSILON) / 2
        offset = torch.where(self.levels % 2 == 0, 0.5, 0.0)
        return torch.tanh(latents.float() + torch.atanh(offset / half)) * half - offset

    def decode(self, codes: Tensor) -> Tensor:
        """``(B, T)`` codes → ``(B, T, dim)`` values."""
        half = self.levels // 2
        digits = codes.unsqueeze(-1) // self.strides % self.levels
        return (digits - half) / half
