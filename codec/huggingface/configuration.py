"""What a folder's ``config.json`` says, for transformers; `codec.load` reads the same file."""

from __future__ import annotations

from typing import Any

from transformers import PretrainedConfig

from codec.config import ModelConfig
from codec.errors import CodecError
from codec.huggingface.names import AUTO_MAP

DEFAULT_RATE, DEFAULT_VOCAB = 50, 8192


class SemcodecConfig(PretrainedConfig):  # type: ignore[misc]  # transformers is not followed
    """Sizes of the networks, and the operating point at which the model works.

    Args:
        model: `codec.config.ModelConfig` as JSON; default: that of semcodec-2.
        fingerprint: of config and weights that make tokens, which tokens and containers carry.
        decoder: likewise, of what makes sound of tokens.
        rate: tokens per second; default 50 if the model has it, else the next one to that.
        vocab: semantic vocabulary; default 8192 if the model has it, else its smallest.
        options: of every transformers config.

    Raises:
        CodecError: a rate or vocabulary that the model does not have.
    """

    model_type = "semcodec"

    def __init__(
        self,
        model: dict[str, Any] | None = None,
        fingerprint: str = "",
        decoder: str = "",
        rate: int | None = None,
        vocab: int | None = None,
        **options: Any,
    ) -> None:
        self.model = ModelConfig().model_dump(mode="json") if model is None else model
        # Not self.decoder: transformers takes an attribute of that name for a config of its own.
        self.fingerprint, self.decoder_fingerprint = fingerprint, decoder
        sizes = self.sizes
        points = self._points
        self.rate = min(points, key=lambda each: abs(each - DEFAULT_RATE)) if rate is None else rate
        self.vocab = (DEFAULT_VOCAB if DEFAULT_VOCAB in sizes.vocabs else sizes.vocabs[0]) if vocab is None else vocab
        self.auto_map = AUTO_MAP
        super().__init__(**{key: value for key, value in options.items() if key != "auto_map"})
        self.check()

    def to_dict(self) -> dict[str, Any]:
        """The configuration as JSON, under the names that the constructor takes."""
        found: dict[str, Any] = super().to_dict()
        return {key: value for key, value in found.items() if key != "decoder_fingerprint"} | {
            "decoder": self.decoder_fingerprint
        }

    def check(self) -> None:
        """Looks at the operating point, which transformers may have set after construction.

        Raises:
            CodecError: a rate or vocabulary that the model does not have.
        """
        points, sizes = self._points, self.sizes
        if self.rate not in points:
            raise CodecError(f"rate {self.rate!r} is not one of {', '.join(map(str, sorted(points)))} tokens/s")
        if self.vocab not in sizes.vocabs:
            raise CodecError(f"vocabulary {self.vocab!r} is not one of {', '.join(map(str, sizes.vocabs))}")

    @property
    def sizes(self) -> ModelConfig:
        """The sizes of the networks.

        Raises:
            CodecError: no such config.
        """
        if "architecture" not in self.model:
            raise CodecError("this config is not of a model whose architecture transformers can load: source-filter")
        return ModelConfig.read(self.model)

    @property
    def _points(self) -> dict[int, tuple[int, int]]:
        """Frames of 50 Hz per token, and streams, of each rate."""
        sizes = self.sizes
        return {sizes.tokens_per_second(rate): (rate.frames_per_token, 1 + rate.n_acoustic) for rate in sizes.rates}

    @property
    def sampling_rate(self) -> int:
        """The sample rate of audio, in Hz."""
        return self.sizes.sample_rate

    @property
    def audio_channels(self) -> int:
        """One; each channel of a recording is a clip of its own."""
        return 1

    @property
    def hop_length(self) -> int:
        """Samples of a frame of codes."""
        return self.sizes.frame_length * self._points[self.rate][0]

    @property
    def frame_rate(self) -> float:
        """Frames of codes per second."""
        return self.sampling_rate / self.hop_length

    @property
    def num_codebooks(self) -> int:
        """Streams of codes: a semantic one, then acoustic ones, coarse to fine."""
        return self._points[self.rate][1]

    @property
    def num_quantizers(self) -> int:
        """Another name of ``num_codebooks``."""
        return self.num_codebooks

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        """The codebook size of each stream."""
        first, *others = self.sizes.acoustic.codebook_sizes
        return (self.vocab, self.sizes.acoustic.pitch_levels * first, *others)[: self.num_codebooks]

    @property
    def codebook_size(self) -> int:
        """The size of the largest codebook: codes of all streams are below it."""
        return max(self.codebook_sizes)
