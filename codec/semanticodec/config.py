"""Sizes of a published model; the defaults are what its authors used."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from codec.config import Config, Vocabs, Width, Widths

RATES = (100, 50, 25)
VOCABS = (4096, 8192, 16384, 32768)
_LSTM_LAYERS = {1: 4, 2: 3, 4: 2}

SAMPLE_RATE = 16_000
HOP_LENGTH = 160
SEGMENT_FRAMES = 1024
SEGMENT_SAMPLES = SEGMENT_FRAMES * HOP_LENGTH
PATCH = 16
N_MELS = 128
BANDS = N_MELS // PATCH
"""Patches above one another."""
POSITION_DIM = 192
LATENT_CHANNELS, LATENT_BINS, LATENT_STRIDE = 8, 16, 4
VOCODER_MELS = 64

Depth = Annotated[int, Field(ge=1, le=48)]


class PublishedConfig(Config):
    """One token rate's model.

    Attributes:
        stack: neighbouring patches in one token, 1, 2, 4 for 100, 50, 25 tokens/s.
        dim: width of AudioMAE; a token's vectors are ``stack · dim`` wide.
        depth: blocks of AudioMAE, the last three of which are averaged.
        heads: of its attention.
        lstm_layers: of the acoustic encoder, bidirectional, as wide as its input.
        codebook_size: of the acoustic tokens.
        vocabs: of the semantic tokens.
        unet_channels: at each of the four scales.
        head_dim: of the U-Net's attention.
        vae_channels: at each of the three scales.
        vocoder_channels: of HiFi-GAN's first layer.
    """

    stack: Literal[1, 2, 4]
    dim: Width = 768
    depth: Depth = 12
    heads: Depth = 12
    lstm_layers: Depth = 4
    codebook_size: Annotated[int, Field(ge=2, le=1 << 18)] = 8192
    vocabs: Vocabs = VOCABS
    unet_channels: Widths = (64, 128, 192, 320)
    head_dim: Width = 32
    vae_channels: Widths = (128, 256, 512)
    vocoder_channels: Width = 1024

    @staticmethod
    def published(rate: int) -> PublishedConfig:
        """The configuration of the checkpoint for ``rate`` tokens/s."""
        stack: Literal[1, 2, 4] = {100: 1, 50: 2, 25: 4}[rate]  # type: ignore[assignment]
        return PublishedConfig(stack=stack, lstm_layers=_LSTM_LAYERS[stack])

    @property
    def rate(self) -> int:
        """Tokens per second, semantic and acoustic together."""
        return 100 // self.stack

    @property
    def feature_dim(self) -> int:
        """The width of a token's semantic or acoustic vector."""
        return self.stack * self.dim

    @property
    def context_dim(self) -> int:
        """The width of what the U-Net attends to: acoustic vector, semantic vector, and their position."""
        return 2 * self.feature_dim + POSITION_DIM

    @property
    def window(self) -> int:
        """Token pairs in 10.24 s."""
        return SEGMENT_FRAMES // PATCH * BANDS // self.stack

    @property
    def block(self) -> tuple[int, int]:
        """The smallest whole group of token pairs, and the samples it covers."""
        pairs = 8 if self.stack == 1 else 4
        return pairs, pairs * self.samples_per_pair

    @property
    def samples_per_pair(self) -> int:
        """At 16 kHz, on average: the pairs of a block stand above one another."""
        return SEGMENT_SAMPLES // self.window
