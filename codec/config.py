"""Sizes of a model, as strict frozen configs that travel with its weights."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator
from typing_extensions import Self

from codec.limits import MAX_SAMPLE_RATE, MIN_SAMPLE_RATE

# Bounds keep a stranger's config from asking for absurd amounts of memory.
Width = Annotated[int, Field(ge=1, le=4096)]
Window = Annotated[int, Field(ge=2, le=1 << 14)]
Dilations = Annotated[tuple[Annotated[int, Field(ge=1, le=256)], ...], Field(min_length=1, max_length=64)]
Stacks = Annotated[tuple[Annotated[int, Field(ge=1, le=16)], ...], Field(min_length=1, max_length=8)]
Vocabs = Annotated[tuple[Annotated[int, Field(ge=2, le=1 << 18)], ...], Field(min_length=1, max_length=16)]
Levels = Annotated[tuple[Annotated[int, Field(ge=3, le=64)], ...], Field(min_length=1, max_length=8)]
MAX_PERIOD = 64
"""Hops in a window of a decoder's head, at most."""
MAX_CODEBOOK = 1 << 24
"""Of the acoustic quantiser: what a container can hold."""
Widths = Annotated[tuple[Width, ...], Field(min_length=1, max_length=8)]


class Config(BaseModel):
    """Base of all configs: unknown keys and wrong types are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @classmethod
    def read(cls, raw: Any) -> Self:
        """Takes what JSON or YAML hold, where tuples are lists.

        Raises:
            pydantic.ValidationError: an unknown key, a wrong type or value.
            TypeError: something that JSON does not know, such as a date.

        Example:
            >>> MelConfig.read({"n_mels": 64}).n_mels
            64
        """
        return cls.model_validate_json(json.dumps(raw))


class MelConfig(Config):
    """Log-mel front end; lengths in samples at the model's rate."""

    n_fft: Window = 1024
    hop_length: Window = 160
    n_mels: Annotated[int, Field(ge=1, le=512)] = 80


class SemanticConfig(Config):
    """The self-supervised encoder."""

    dim: Width = 256
    hidden_dim: Width = 768
    dilations: Dilations = (1, 2, 4, 1, 2, 4, 1, 2, 4, 1)
    n_features: Width = 96


class AcousticConfig(Config):
    """The acoustic encoder and its quantiser; the product of ``levels`` is the codebook size."""

    dim: Width = 256
    hidden_dim: Width = 768
    dilations: Dilations = (1, 2, 1, 2, 1, 1)
    levels: Levels = (8, 8, 8, 4, 4)

    @model_validator(mode="after")
    def _check_size(self) -> AcousticConfig:
        if math.prod(self.levels) > MAX_CODEBOOK:
            raise ValueError(f"levels: their product must be at most {MAX_CODEBOOK}")
        return self


class DecoderConfig(Config):
    """The decoder and its inverse-STFT head."""

    dim: Width = 384
    hidden_dim: Width = 1152
    dilations: Dilations = (1, 2, 4, 1, 2, 4, 1, 1)
    n_fft: Window = 1280


class DiffusionDecoderConfig(Config):
    """The second decoder.

    Attributes:
        dim, hidden_dim, dilations: of the denoiser.
        vocoder_dim, vocoder_hidden_dim, vocoder_dilations: of the network that turns log-mel into sound.
        n_fft: of the vocoder's inverse-STFT head.
        noise_steps: levels of noise that it is trained on.
    """

    dim: Width = 256
    hidden_dim: Width = 768
    dilations: Dilations = (1, 2, 4, 1, 2, 4, 1, 1)
    vocoder_dim: Width = 256
    vocoder_hidden_dim: Width = 768
    vocoder_dilations: Dilations = (1, 2, 1, 2, 1, 1)
    n_fft: Window = 1280
    noise_steps: Annotated[int, Field(ge=2, le=1 << 14)] = 1000


class ModelConfig(Config):
    """A whole codec.

    Attributes:
        sample_rate: in Hz.
        hop_length: samples per frame of the networks (20 ms at 16 kHz: 50 Hz).
        stacks: how many frames one token covers; 1, 2, 4 give 100, 50, 25 tokens/s.
        vocabs: semantic vocabularies, each a refinement of the one before.
        semantic_dims: width of the clustered space for each stack.
    """

    sample_rate: Annotated[int, Field(ge=MIN_SAMPLE_RATE, le=MAX_SAMPLE_RATE)] = 16_000
    hop_length: Window = 320
    stacks: Stacks = (1, 2, 4)
    vocabs: Vocabs = (4096, 8192, 16384, 32768)
    semantic_dims: Widths = (64, 80, 96)
    mel: MelConfig = MelConfig()
    semantic: SemanticConfig = SemanticConfig()
    acoustic: AcousticConfig = AcousticConfig()
    decoder: DecoderConfig = DecoderConfig()

    @model_validator(mode="after")
    def _check_lengths(self) -> ModelConfig:
        """What the code takes for granted of lengths that belong together."""
        mel, base = self.mel, 2 * self.sample_rate // self.hop_length
        if self.sample_rate % self.hop_length or any(base % stack for stack in self.stacks):
            raise ValueError("a second must hold a whole number of tokens of every rate")
        if any(stack & (stack - 1) for stack in self.stacks) or len(set(self.stacks)) < len(self.stacks):
            raise ValueError("stacks must be different powers of two")
        if any(fine % coarse or fine <= coarse for coarse, fine in pairwise(self.vocabs)):
            raise ValueError("vocabs must ascend, each a multiple of the one before")
        if len(self.semantic_dims) != len(self.stacks):
            raise ValueError(f"semantic_dims needs a width for each of the {len(self.stacks)} stacks")
        if self.hop_length != 2 * mel.hop_length or mel.n_fft < mel.hop_length or (mel.n_fft - mel.hop_length) % 2:
            raise ValueError("a frame must hold two hops of the log-mel, each centred in its window")
        check_head(self.decoder.n_fft, self.hop_length)
        return self


def check_head(n_fft: int, hop_length: int) -> None:
    """Refuses windows of an inverse-STFT head that would not add up to sound.

    A window of a single hop is zero where hops meet; one of a broken number of hops has no steady phase from frame to frame.

    Raises:
        ValueError: it is not a whole number of hops, from 2 to `MAX_PERIOD`, or its ends cannot be cut alike.
    """
    if n_fft % hop_length or not 2 <= n_fft // hop_length <= MAX_PERIOD or (n_fft - hop_length) % 2:
        raise ValueError(f"n_fft {n_fft} of the decoder must be 2 to {MAX_PERIOD} times hop_length {hop_length}, less it even")
