"""Sizes of a model, as strict frozen configs that travel with its weights."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from typing_extensions import Self

from codec.limits import MAX_SAMPLE_RATE, MIN_SAMPLE_RATE

# Bounds keep a stranger's config from asking for absurd amounts of memory.
Width = Annotated[int, Field(ge=1, le=4096)]
Window = Annotated[int, Field(ge=2, le=1 << 14)]
Dilations = Annotated[tuple[Annotated[int, Field(ge=1, le=256)], ...], Field(min_length=1, max_length=64)]
Vocabs = Annotated[tuple[Annotated[int, Field(ge=2, le=1 << 18)], ...], Field(min_length=1, max_length=16)]
CodebookSize = Annotated[int, Field(ge=2, le=1 << 17)]
MAX_PERIOD = 64
"""Hops in a window of a decoder's head, at most."""
LOWEST_MODEL_RATE = 8_000
"""In Hz."""
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


class DiffusionDecoderConfig(Config):
    """The second decoder.

    Attributes:
        dim, hidden_dim, dilations: of the denoiser.
        noise_steps: levels of noise that it is trained on.
    """

    dim: Width = 256
    hidden_dim: Width = 768
    dilations: Dilations = (1, 2, 4, 1, 2, 4, 1, 1)
    noise_steps: Annotated[int, Field(ge=2, le=1 << 14)] = 1000


def check_vocabs(vocabs: Sequence[int]) -> None:
    """Refuses vocabularies that cannot be nested.

    Raises:
        ValueError: they do not ascend, or one is no multiple of the one before.
    """
    if any(fine % coarse or fine <= coarse for coarse, fine in pairwise(vocabs)):
        raise ValueError("vocabs must ascend, each a multiple of the one before")


def check_head(n_fft: int, hop_length: int) -> None:
    """Refuses windows of an inverse-STFT head that would not add up to sound.

    A window of a single hop is zero where hops meet; one of a broken number of hops has no steady phase from frame to frame.

    Raises:
        ValueError: it is not a whole number of hops, from 2 to `MAX_PERIOD`, or its ends cannot be cut alike.
    """
    if n_fft % hop_length or not 2 <= n_fft // hop_length <= MAX_PERIOD or (n_fft - hop_length) % 2:
        raise ValueError(f"n_fft {n_fft} of the decoder must be 2 to {MAX_PERIOD} times hop_length {hop_length}, less it even")


class PitchConfig(Config):
    """The pitch tracker, at 100 Hz."""

    dim: Width = 96
    hidden_dim: Width = 256
    dilations: Dilations = (1, 2, 4, 1)


class RateConfig(Config):
    """One operating point.

    Attributes:
        frames_per_token: frames of 50 Hz that a token covers.
        n_acoustic: acoustic tokens beside each semantic one.
        semantic_dim: width of the clustered space.
    """

    frames_per_token: Annotated[int, Field(ge=1, le=16)]
    n_acoustic: Annotated[int, Field(ge=1, le=5)]
    semantic_dim: Width


class AcousticConfig(Config):
    """The acoustic tokens.

    Attributes:
        pitch_levels: of the index of the pitch, which is a part of the first acoustic token: none, pitches, tones instead.
        n_coefficients: of a block of frames, which the acoustic tokens tell together.
        codebook_sizes: of the acoustic tokens, most important first, powers of two; the pitch is not counted.
    """

    pitch_levels: Annotated[int, Field(ge=3, le=256)] = 64
    n_coefficients: Annotated[int, Field(ge=1, le=512)] = 32
    codebook_sizes: Annotated[tuple[CodebookSize, ...], Field(min_length=1, max_length=5)] = (128, 8192, 8192)

    @model_validator(mode="after")
    def _check_size(self) -> AcousticConfig:
        if any(size & (size - 1) for size in self.codebook_sizes):
            raise ValueError("codebook_sizes must be powers of two")
        if self.pitch_levels * self.codebook_sizes[0] > MAX_CODEBOOK:
            raise ValueError(f"pitch_levels times the first of codebook_sizes must be at most {MAX_CODEBOOK}")
        return self


class TokenDecoderConfig(Config):
    """The decoder's first half: tokens → what is said, at 100 Hz.

    Attributes:
        dim, hidden_dim, dilations: of the network at 50 Hz.
        fine_dim, fine_hidden_dim, fine_dilations: of the one at 100 Hz.
    """

    dim: Width = 384
    hidden_dim: Width = 1152
    dilations: Dilations = (1, 2, 4, 1, 2, 1)
    fine_dim: Width = 256
    fine_hidden_dim: Width = 768
    fine_dilations: Dilations = (1, 2)


class VocoderConfig(Config):
    """The decoder's second half: frames → wave, at 100 Hz."""

    dim: Width = 256
    hidden_dim: Width = 768
    dilations: Dilations = (1, 2, 1, 2)


class ReaderConfig(Config):
    """Each of the two networks that read tokens, at the rate of the longest ones.

    Attributes:
        dim, hidden_dim, dilations: of the network.
        n_features: of what it says of a token.
    """

    dim: Width = 256
    hidden_dim: Width = 768
    dilations: Dilations = (1, 2, 1, 2, 4)
    n_features: Width = 192


class ModelConfig(Config):
    """A codec whose decoder has a voice's sources, and whose acoustic tokens come in groups.

    Attributes:
        sample_rate: in Hz.
        hop_length: samples per frame of 10 ms.
        n_fft: window length of the envelope and of the decoder's head, in samples.
        n_lags: of the correlogram that the pitch is heard in.
        rates: operating points, from most to fewest tokens.
        vocabs: semantic vocabularies, each a refinement of the one before.
    """

    architecture: Literal["source-filter"] = "source-filter"
    sample_rate: Annotated[int, Field(ge=MIN_SAMPLE_RATE, le=MAX_SAMPLE_RATE)] = 16_000
    hop_length: Window = 160
    n_fft: Window = 640
    n_lags: Annotated[int, Field(ge=1, le=512)] = 64
    rates: Annotated[tuple[RateConfig, ...], Field(min_length=1, max_length=8)] = (
        RateConfig(frames_per_token=2, n_acoustic=3, semantic_dim=80),
        RateConfig(frames_per_token=2, n_acoustic=1, semantic_dim=80),
        RateConfig(frames_per_token=4, n_acoustic=1, semantic_dim=96),
    )
    vocabs: Vocabs = (4096, 8192, 16384, 32768)
    mel: MelConfig = MelConfig()
    semantic: SemanticConfig = SemanticConfig()
    pitch: PitchConfig = PitchConfig()
    acoustic: AcousticConfig = AcousticConfig()
    decoder: TokenDecoderConfig = TokenDecoderConfig()
    vocoder: VocoderConfig = VocoderConfig()

    @model_validator(mode="after")
    def _check_lengths(self) -> ModelConfig:
        if self.sample_rate < LOWEST_MODEL_RATE:
            raise ValueError(f"sample_rate must be {LOWEST_MODEL_RATE} or more: so high are voices' harmonics listened to")
        frame_rate = self.sample_rate // (2 * self.hop_length)
        if self.sample_rate % (2 * self.hop_length) or any(
            frame_rate * (1 + rate.n_acoustic) % rate.frames_per_token for rate in self.rates
        ):
            raise ValueError("a second must hold a whole number of tokens of every rate")
        per_token = {rate.frames_per_token: rate.semantic_dim for rate in self.rates}
        if any(count & (count - 1) for count in per_token) or any(
            per_token[rate.frames_per_token] != rate.semantic_dim for rate in self.rates
        ):
            raise ValueError("rates: frames_per_token must be powers of two, with one semantic_dim for each of them")
        if any(rate.n_acoustic > len(self.acoustic.codebook_sizes) for rate in self.rates):
            raise ValueError("rates: more acoustic tokens than there are codebook_sizes")
        if len({self.tokens_per_second(rate) for rate in self.rates}) < len(self.rates):
            raise ValueError("rates must differ")
        check_vocabs(self.vocabs)
        if self.mel.hop_length != self.hop_length or self.mel.n_fft < self.n_fft or (self.mel.n_fft - self.n_fft) % 2:
            raise ValueError("the log-mel must have the same hop, and windows as long as the envelope's or longer")
        check_head(self.n_fft, self.hop_length)
        return self

    def tokens_per_second(self, rate: RateConfig) -> int:
        """The tokens per second of an operating point, over all streams."""
        return self.sample_rate // (2 * self.hop_length) * (1 + rate.n_acoustic) // rate.frames_per_token

    @property
    def frame_length(self) -> int:
        """Samples in a frame of 50 Hz."""
        return 2 * self.hop_length

    @property
    def token_lengths(self) -> tuple[int, ...]:
        """Frames of 50 Hz per token, each once."""
        return tuple(dict.fromkeys(rate.frames_per_token for rate in self.rates))

    @property
    def n_acoustic(self) -> dict[int, int]:
        """Acoustic tokens beside a semantic one, at most, by frames of 50 Hz per token."""
        return {
            frames_per_token: max(rate.n_acoustic for rate in self.rates if rate.frames_per_token == frames_per_token)
            for frames_per_token in self.token_lengths
        }

    @property
    def codeword_dims(self) -> dict[int, int]:
        """The width of semantic codewords, by the frames of 50 Hz in a token."""
        dims = {rate.frames_per_token: rate.semantic_dim for rate in self.rates}
        return {frames_per_token: dims[frames_per_token] for frames_per_token in self.token_lengths}

    @property
    def semantic_dims(self) -> tuple[int, ...]:
        """Width of the clustered space for each of ``token_lengths``."""
        return tuple(self.codeword_dims.values())
