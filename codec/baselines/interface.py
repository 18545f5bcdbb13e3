"""What an evaluation asks of any codec, ours or not; what a codec of tokens offers besides is in `codec.protocol`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from torch import Tensor


@dataclass(frozen=True)
class Encoded:
    """One clip after encoding.

    Attributes:
        bits: that the clip takes, without a file format's header where that can be told apart.
        samples: of the input, at ``sample_rate``.
        sample_rate: of the input, in Hz.
        payload: what the decoder takes; only the codec that made it looks inside.
        codes: ``(S, N)`` int64 tokens of a codec that has them, for usage and entropy.
        codebook_sizes: of the S streams.
    """

    bits: int
    samples: int
    sample_rate: int
    payload: object
    codes: Tensor | None = None
    codebook_sizes: tuple[int, ...] = ()

    @property
    def bitrate(self) -> float:
        """Bits per second of this clip."""
        return self.bits * self.sample_rate / max(self.samples, 1)


@runtime_checkable
class Reconstructor(Protocol):
    """A codec at one operating point, as `eval` sees it: mono audio in, mono audio of the same length out.

    Attributes:
        name: as it was asked for, for example ``opus@6`` or ``semcodec@50``.
        version: of program or weights; results are cached under it.
        sample_rate: that the codec works at, in Hz.
        bitrate: nominal, in bits per second.
        trained: False for an architecture with random weights, whose results must never reach a quality table.
        delay: seconds by which its sound would come late, on every clip alike, if ``decode`` did not take that out; None where
            nobody knows: then it is still in, and evaluations measure it (`eval.reconstruction.delay`).
    """

    name: str
    version: str
    sample_rate: int
    bitrate: float
    trained: bool
    delay: float | None

    def encode(self, wave: np.ndarray, sample_rate: int) -> Encoded:
        """``(samples,)`` float32 at any sample rate → what would be stored or sent."""
        ...

    def decode(self, encoded: Encoded) -> np.ndarray:
        """Back to ``(encoded.samples,)`` float32 at ``encoded.sample_rate``, in time if the delay is known."""
        ...
