"""Codecs of tokens as the evaluation sees them."""

from __future__ import annotations

import numpy as np

from codec.audio.io import resample
from codec.baselines.interface import Encoded
from codec.baselines.programs import checked, fit
from codec.protocol import AudioCodec
from codec.tokens import Tokens


class TokenReconstructor:
    """A `Reconstructor` made of an `AudioCodec`.

    Bits are those of fixed-length codes: frames × bits of a frame, without a container.

    Args:
        name: as it was asked for.
        codec: at its operating point.
        version: of its weights.
        trained: its weights are not random.
        semantic_only: only the first stream is sent.
    """

    def __init__(self, name: str, codec: AudioCodec, version: str, trained: bool, semantic_only: bool = False) -> None:
        self.name, self.version, self.trained = name, version, trained
        self.delay: float | None = 0.0  # of every codec of tokens here: its network learned to give each sample where it was
        self._codec, self._semantic_only = codec, semantic_only
        self.sample_rate = codec.sample_rate
        self.bitrate = self._send(np.zeros(0, np.float32), codec.sample_rate).bitrate

    def _send(self, wave: np.ndarray, sample_rate: int) -> Tokens:
        tokens = self._codec.encode(wave, sample_rate)
        return tokens.semantic_only() if self._semantic_only else tokens

    def encode(self, wave: np.ndarray, sample_rate: int) -> Encoded:
        """Tokens of one clip."""
        clean = checked(wave, sample_rate)
        tokens = self._send(clean, sample_rate)
        bits = int(tokens.frames[0]) * tokens.bits_per_frame
        return Encoded(bits, len(clean), sample_rate, tokens, tokens.codes[0], tokens.codebook_sizes)

    def decode(self, encoded: Encoded) -> np.ndarray:
        """Decodes and resamples to the input's rate."""
        assert isinstance(encoded.payload, Tokens)
        wave = self._codec.decode(encoded.payload)[0].numpy()
        return fit(resample(wave[None], self.sample_rate, encoded.sample_rate)[0], encoded.samples)
