"""Pushing and flushing for a model that has to see everything: its first step takes the mean of the whole file."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from codec.audio.samples import Wave, as_batch
from codec.errors import AudioError
from codec.streaming import appended, require_open


class WholeEncoder:
    """Keeps what is pushed, encodes at the end.

    Args:
        encode: ``(channels, samples)`` → ``(channels, 2, N)``.
        channels: of the audio.
    """

    window = math.inf

    def __init__(self, encode: Callable[[np.ndarray], Tensor], channels: int) -> None:
        self._encode, self._blocks = encode, [np.zeros((channels, 0), np.float32)]
        self._ended = False
        self.samples = 0

    def push(self, block: Wave) -> Tensor:
        """``(channels, n)`` samples, ``(n,)`` of one channel, or a list of channels → no codes yet.

        Raises:
            AudioError: not such samples; `codec.audio.samples.as_batch` says which can be.
            CodecError: the stream was flushed.
        """
        require_open(self._ended)
        rows = np.stack(as_batch(block, channels=len(self._blocks[0])))
        self.samples += rows.shape[1]
        self._blocks.append(rows)
        return torch.zeros(len(rows), 2, 0, dtype=torch.int64)

    def flush(self) -> Tensor:
        """All codes.

        Raises:
            CodecError: the stream was flushed before.
        """
        require_open(self._ended)
        self._ended = True
        return self._encode(np.concatenate(self._blocks, axis=1))


class WholeDecoder:
    """Keeps what is pushed, decodes at the end.

    Args:
        decode: ``(channels, 2, N)`` codes → ``(channels, samples)``.
        codebook_sizes: of the streams.
    """

    def __init__(self, decode: Callable[[Tensor], Tensor], codebook_sizes: tuple[int, ...]) -> None:
        self._decode, self._sizes = decode, codebook_sizes
        self._codes: np.ndarray | None = None
        self._ended = False

    def push(self, codes: Tensor | np.ndarray) -> Tensor:
        """``(channels, 2, n)`` codes → no samples yet.

        Raises:
            CodecError: as `codec.streaming.StreamDecoder.push`.
        """
        require_open(self._ended)
        self._codes = appended(self._codes, codes, self._sizes)
        return torch.zeros(len(self._codes), 0)

    def flush(self) -> Tensor:
        """All samples.

        Raises:
            AudioError: no tokens were pushed.
            CodecError: the stream was flushed before.
        """
        require_open(self._ended)
        self._ended = True
        if self._codes is None or not self._codes.shape[2]:
            raise AudioError("no tokens: there is nothing to decode")
        return self._decode(torch.from_numpy(self._codes))
