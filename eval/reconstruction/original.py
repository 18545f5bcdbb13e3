"""What figures lie between: the clip itself, as if it were a codec, and noise that says nothing of it."""

from __future__ import annotations

from functools import partial

import numpy as np

from codec.baselines import open_codec
from codec.baselines.interface import Encoded, Reconstructor
from codec.hub import load_codec


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


class Noise:
    """White noise as loud as the clip: what every metric says of the worst copy."""

    name, version, trained = "noise", "1", True
    sample_rate, bitrate = 16_000, 0.0
    delay: float | None = 0.0

    def encode(self, wave: np.ndarray, sample_rate: int) -> Encoded:
        """Keeps the level alone."""
        level = float(np.sqrt(np.mean(wave.astype(np.float64) ** 2))) if len(wave) else 0.0
        return Encoded(0, len(wave), sample_rate, level)

    def decode(self, encoded: Encoded) -> np.ndarray:
        """The same noise every time."""
        assert isinstance(encoded.payload, float)
        noise = np.random.default_rng(encoded.samples).standard_normal(encoded.samples)
        return np.clip(encoded.payload * noise, -1, 1).astype(np.float32)


def open_any(name: str, device: str = "cpu") -> Reconstructor:
    """``original``, ``noise``, or what `codec.baselines.open_codec` knows.

    Args:
        name: of the codec.
        device: for models of our own; codecs of others work on the processor.

    Raises:
        CodecError: unknown, or something it needs is missing.
    """
    anchor = next((kind for kind in (Original, Noise) if kind.name == name), None)
    return anchor() if anchor else open_codec(name, load=partial(load_codec, device=device))
