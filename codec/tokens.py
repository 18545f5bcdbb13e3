"""Tokens: what an encoder returns, a container holds and a decoder takes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from codec.arrays import as_codes, given, is_tensor
from codec.errors import CodecError
from codec.limits import as_sample_rate
from quantizers.packing import bits_for

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Tokens:
    """Discrete audio.

    Attributes:
        codes: ``(B, S, N)``; stream 0 is semantic, stream 1 (if there) acoustic. Items shorter than the longest are padded
            with 0. Integers of any type are taken, and kept as int64: as tensors, or as arrays where torch is not installed.
        lengths: ``(B,)`` true length of each item in samples at ``sample_rate``; likewise.
        sample_rate: of the audio that was encoded, in Hz.
        frame_rate: tokens per second in each stream.
        codebook_sizes: of each stream.
        model: fingerprint of the model that made them.
        model_rate: sample rate that this model works at, in Hz; a frame is ``model_rate / frame_rate`` of its samples.
        counts: ``(B,)`` frames of each item, of a model that makes more than the length needs.

    Raises:
        CodecError: codes or lengths that are no integers, or that do not fit each other; an impossible sample rate.
    """

    codes: Tensor
    lengths: Tensor
    sample_rate: int
    frame_rate: float
    codebook_sizes: tuple[int, ...]
    model: str
    model_rate: int = 16_000
    counts: Tensor | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "codes", as_codes(self.codes))
        object.__setattr__(self, "lengths", _at_home(as_codes(self.lengths, "lengths")))
        object.__setattr__(self, "sample_rate", as_sample_rate(self.sample_rate))
        if self.codes.ndim != 3 or self.codes.shape[1] != len(self.codebook_sizes):
            raise CodecError(f"codes of shape {tuple(self.codes.shape)} do not have {len(self.codebook_sizes)} streams")
        if self.lengths.shape != self.codes.shape[:1]:
            raise CodecError(f"{len(self.codes)} items but {len(self.lengths)} lengths")

    @property
    def rate(self) -> float:
        """Tokens per second over all streams."""
        return self.frame_rate * len(self.codebook_sizes)

    @property
    def bits_per_frame(self) -> int:
        """Bits that one frame takes in a container, over all streams."""
        return sum(bits_for(size) for size in self.codebook_sizes)

    @property
    def bitrate(self) -> float:
        """Bits per second of one channel, before container overhead."""
        return self.frame_rate * self.bits_per_frame

    @property
    def frames(self) -> Tensor:
        """``(B,)`` number of frames that each item really has."""
        if self.counts is not None:
            return self.counts
        counts = [count_frames(int(n), self.sample_rate, self.frame_rate, self.model_rate) for n in self.lengths]
        return given(np.array(counts, np.int64))

    def semantic_only(self) -> Tokens:
        """The same audio without its acoustic stream: half the tokens, the words but not the voice."""
        return replace(self, codes=self.codes[:, :1], codebook_sizes=self.codebook_sizes[:1])

    def item(self, index: int) -> Tokens:
        """One item, without padding."""
        frames = int(self.frames[index])
        one = slice(index, index + 1)
        counts = None if self.counts is None else self.counts[one]
        return replace(self, codes=self.codes[one, :, :frames], lengths=self.lengths[one], counts=counts)


def _at_home(lengths: Tensor) -> Tensor:
    return lengths.cpu() if is_tensor(lengths) else lengths


def check_codes(codes: Tensor | np.ndarray, codebook_sizes: Sequence[int]) -> None:
    """Refuses codes that no codebook has.

    Args:
        codes: ``(B, S, N)`` int64.
        codebook_sizes: of at least S streams.

    Raises:
        CodecError: another shape, or codes outside their codebooks.
    """
    if codes.ndim != 3 or not 1 <= codes.shape[1] <= len(codebook_sizes):
        raise CodecError(
            f"codes of shape {tuple(codes.shape)}: (batch, up to {len(codebook_sizes)} streams, frames) is expected"
        )
    streams = [(codes[:, stream], codebook_sizes[stream]) for stream in range(codes.shape[1])]
    if any(((stream < 0) | (stream >= size)).any() for stream, size in streams):
        raise CodecError("codes lie outside their codebooks")


def count_frames(samples: int, sample_rate: int, frame_rate: float, model_rate: int | None = None) -> int:
    """Frames that cover ``samples`` at ``sample_rate``: the audio is resampled, then filled up to a whole frame.

    Args:
        samples: of the audio.
        sample_rate: of the audio in Hz.
        frame_rate: frames per second, exactly, unless ``model_rate`` makes it exact.
        model_rate: in Hz, of which a frame is a whole number of samples. Which rate that is does not matter: rounding up to
            samples and then to frames is rounding up to frames.
    """
    exact = Fraction(frame_rate) if model_rate is None else Fraction(model_rate, round(model_rate / frame_rate))
    return math.ceil(samples * exact / sample_rate)


def model_samples(samples: int, sample_rate: int, model_rate: int = 16_000) -> int:
    """Samples at the model's rate that ``samples`` at ``sample_rate`` become, rounded up."""
    return -(-samples * model_rate // sample_rate)
