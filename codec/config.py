"""Sizes of a model, as strict frozen configs that travel with its weights."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Config(BaseModel):
    """Base of all configs: unknown keys and wrong types are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


class MelConfig(Config):
    """Log-mel front end; lengths in samples at the model's rate."""

    n_fft: int = 1024
    hop_length: int = 160
    n_mels: int = 80


class SemanticConfig(Config):
    """The self-supervised encoder."""

    dim: int = 256
    hidden_dim: int = 768
    dilations: tuple[int, ...] = (1, 2, 4, 1, 2, 4, 1, 2, 4, 1)
    n_features: int = 96


class AcousticConfig(Config):
    """The acoustic encoder and its quantiser; the product of ``levels`` is the codebook size."""

    dim: int = 256
    hidden_dim: int = 768
    dilations: tuple[int, ...] = (1, 2, 1, 2, 1, 1)
    levels: tuple[int, ...] = (8, 8, 8, 4, 4)


class DecoderConfig(Config):
    """The decoder and its inverse-STFT head."""

    dim: int = 384
    hidden_dim: int = 1152
    dilations: tuple[int, ...] = (1, 2, 4, 1, 2, 4, 1, 1)
    n_fft: int = 1280


class ModelConfig(Config):
    """A whole codec.

    Attributes:
        sample_rate: in Hz.
        hop_length: samples per frame of the networks (20 ms at 16 kHz: 50 Hz).
        stacks: how many frames one token covers; 1, 2, 4 give 100, 50, 25 tokens/s.
        vocabs: semantic vocabularies, each a refinement of the one before.
        semantic_dims: width of the clustered space for each stack.
    """

    sample_rate: int = 16_000
    hop_length: int = 320
    stacks: tuple[int, ...] = (1, 2, 4)
    vocabs: tuple[int, ...] = (4096, 8192, 16384, 32768)
    semantic_dims: tuple[int, ...] = (64, 80, 96)
    mel: MelConfig = MelConfig()
    semantic: SemanticConfig = SemanticConfig()
    acoustic: AcousticConfig = AcousticConfig()
    decoder: DecoderConfig = DecoderConfig()
