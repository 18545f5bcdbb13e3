"""Pushing and flushing for a model that has to see everything: its first step takes the mean of the whole file."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from codec.errors import AudioError


class WholeEncoder:
    """Keeps what is pushed, encodes at the end.

    Args:
        encode: ``(channels, samples)`` → ``(channels, 2, N)``.
        channels: of the audio.
    """

    def __init__(self, encode: Callable[[np.ndarray], Tensor], channels: int) -> None:
        self._encode, self._blocks = encode, [np.zeros((channels, 0), np.float32)]
        self.samples = 0

    def push(self, block: np.ndarray) -> Tensor:
        """``(channels, n)`` samples → no codes yet."""
        self.samples += block.shape[1]
        self._blocks.append(np.asarray(block, np.float32))
        return torch.zeros(len(block), 2, 0, dtype=torch.int64)

    def flush(self) -> Tensor:
        """All codes."""
        return self._encode(np.concatenate(self._blocks, axis=1))


class WholeDecoder:
    """Keeps what is pushed, decodes at the end.

    Args:
        decode: ``(channels, 2, N)`` codes → ``(channels, samples)``.
    """

    def __init__(self, decode: Callable[[Tensor], Tensor]) -> None:
        self._decode = decode
        self._parts: list[Tensor] = []

    def push(self, codes: Tensor) -> Tensor:
        """``(channels, 2, n)`` codes → no samples yet."""
        self._parts.append(codes)
        return torch.zeros(len(codes), 0)

    def flush(self) -> Tensor:
        """All samples.

        Raises:
            AudioError: no tokens were pushed.
        """
        if not sum(part.shape[2] for part in self._parts):
            raise AudioError("no tokens: there is nothing to decode")
        return self._decode(torch.cat(self._parts, dim=2))
