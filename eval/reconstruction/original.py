"""The clip itself, as if it were a codec: what every metric says of a perfect copy."""

from __future__ import annotations

import numpy as np

from codec.baselines import open_codec
from codec.baselines.interface import Encoded, Reconstructor


class Original:
    """Changes nothing; 16 bits a sample."""

    name, version, trained = "original", "1", True
    sample_rate, bitrate = 16_000, 256_000.0
    delay: float | None = 0.0

    def encode(self, wave: np.ndarray, sample_rate: int) -> Encoded:
        """Keeps the samples."""
        return Encoded(16 * len(wave), len(wave), sample_rate, wave)

    def decode(self, encoded: Encoded) -> np.ndarray:
        """Gives them back."""
        return np.asarray(encoded.payload, np.float32)


def open_any(name: str) -> Reconstructor:
    """``original``, or what `codec.baselines.open_codec` knows.

    Raises:
        CodecError: unknown, or something it needs is missing.
    """
    return Original() if name == "original" else open_codec(name)
