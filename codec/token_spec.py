"""What a codec's tokens are, whatever they are of: streams, codebooks, rates, bits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

from quantizers.packing import bits_for

USUAL_RATE = 16_000
"""That models work at, in Hz."""


@dataclass(frozen=True)
class TokenSpec:
    """The tokens of a codec at an operating point.

    Attributes:
        codebook_sizes: of each stream; our own models and the published SemantiCodec have the semantic one first.
        frame_rate: tokens per second in each stream.
        model: fingerprint of the model that makes them.
        model_rate: sample rate that this model works at, in Hz; a frame is ``model_rate / frame_rate`` of its samples.

    Example:
        >>> spec = TokenSpec((8192, 1024), 25.0, "0123456789abcdef")
        >>> spec.rate, spec.bits_per_frame, spec.bitrate
        (50.0, 23, 575.0)
        >>> spec.first(1).bitrate
        325.0
    """

    codebook_sizes: tuple[int, ...]
    frame_rate: float
    model: str
    model_rate: int = USUAL_RATE

    @property
    def n_streams(self) -> int:
        """Tokens of a frame."""
        return len(self.codebook_sizes)

    @property
    def rate(self) -> float:
        """Tokens per second over all streams."""
        return self.frame_rate * self.n_streams

    @property
    def bits_per_frame(self) -> int:
        """Bits that one frame takes in a container, over all streams."""
        return sum(bits_for(size) for size in self.codebook_sizes)

    @property
    def bitrate(self) -> float:
        """Bits per second of one channel, before container overhead."""
        return self.frame_rate * self.bits_per_frame

    def samples_per_frame(self, sample_rate: int) -> Fraction:
        """The samples in a frame, of audio at a sample rate in Hz.

        Example:
            >>> TokenSpec((8192,), 50.0, "0123456789abcdef").samples_per_frame(11_025)
            Fraction(441, 2)
        """
        return Fraction(round(self.model_rate / self.frame_rate) * sample_rate, self.model_rate)

    def first(self, streams: int) -> TokenSpec:
        """The specification of the first streams alone."""
        return replace(self, codebook_sizes=self.codebook_sizes[:streams])
