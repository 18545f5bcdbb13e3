"""All networks of the default codec, and the ways from one representation to the next.

Letters in shapes: B batch, T frames at 50 Hz, N tokens (T / stack), S streams (semantic, acoustic), D width.
"""

from __future__ import annotations

import math

import torch
from einops import rearrange
from torch import Tensor, nn

from codec.config import ModelConfig
from codec.engine import Point
from codec.errors import ModelError
from codec.features import LogMel
from codec.networks.acoustic import AcousticEncoder
from codec.networks.decoder import Decoder
from codec.networks.interface import CodecNetworks
from codec.networks.semantic import SemanticEncoder
from quantizers.acoustic import AcousticQuantizer
from quantizers.nested import NestedKMeansQuantizer
from quantizers.result import Quantized


class Networks(CodecNetworks):
    """Front end, semantic encoder, k-means codebooks, acoustic encoder and quantiser, decoder.

    Args:
        config: sizes.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        mel, width = config.mel, config.semantic.n_features
        self.mel = LogMel(config.sample_rate, mel.n_fft, mel.hop_length, mel.n_mels)
        self.semantic = SemanticEncoder(config.semantic, mel.n_mels)
        self.codebooks = nn.ModuleList(
            NestedKMeansQuantizer(stack * width, dim, config.vocabs)
            for stack, dim in zip(config.stacks, config.semantic_dims, strict=True)
        )
        self.acoustic = AcousticEncoder(config.acoustic, mel.n_mels, config.stacks, config.semantic_dims)
        self.acoustic_quantizer = AcousticQuantizer(config.acoustic.levels)
        self.decoder = Decoder(
            config.decoder, config.hop_length, config.stacks, config.semantic_dims, self.acoustic_quantizer.dim
        )

    @property
    def points(self) -> dict[int, Point]:
        """Operating points by tokens per second."""
        frame_rate = self.config.sample_rate // self.config.hop_length
        return {2 * frame_rate // stack: Point(stack, 2) for stack in self.config.stacks}

    def codebook_sizes(self, vocab: int) -> tuple[int, ...]:
        """Of the semantic and the acoustic stream."""
        return vocab, self.acoustic_quantizer.codebook_size

    @property
    def frame_length(self) -> int:
        """Samples in a frame of 50 Hz."""
        return self.config.hop_length

    @property
    def edge(self) -> int:
        """Samples of context on either side that the log-mel takes."""
        return self.mel.edge

    @property
    def encoder_context(self) -> int:
        """50 Hz frames on either side that a token depends on, in whole tokens of every rate."""
        largest = max(self.config.stacks)
        return -(-(self.semantic.receptive_field + self.acoustic.receptive_field + largest) // largest) * largest

    @property
    def decoder_context(self) -> int:
        """50 Hz frames on either side that a sample depends on, in whole tokens of every rate."""
        largest = max(self.config.stacks)
        return -(-self.decoder.receptive_field // largest) * largest

    @property
    def decoder_step(self) -> int:
        """Frames between the places where a decoder's window can begin: at a token of every rate and a period of its head."""
        return math.lcm(max(self.config.stacks), self.decoder.head.period)

    def codebook(self, stack: int) -> NestedKMeansQuantizer:
        """The k-means codebooks of one rate."""
        found = self.codebooks[self.config.stacks.index(stack)]
        assert isinstance(found, NestedKMeansQuantizer)
        return found

    def feats_to_semantic(self, feats: Tensor, stack: int, vocab: int) -> Quantized:
        """``(B, T, D)`` encoder features → codewords ``(B, N, D')`` and codes ``(B, N)``."""
        quantized: Quantized = self.codebook(stack)(rearrange(feats, "b (n k) d -> b n (k d)", k=stack), vocab)
        return quantized

    def mel_to_acoustic(self, mel: Tensor, semantic: Tensor, stack: int) -> Quantized:
        """Log-mel ``(B, 2·T, M)`` and semantic codewords → acoustic values ``(B, N, D)`` and codes ``(B, N)``."""
        quantized: Quantized = self.acoustic_quantizer(self.acoustic(mel, semantic, stack))
        return quantized

    def mel_to_codes(self, mel: Tensor, stack: int, vocab: int) -> Tensor:
        """Log-mel ``(B, 2·T, M)`` → codes ``(B, 2, N)``: semantic, acoustic."""
        semantic = self.feats_to_semantic(self.semantic(mel), stack, vocab)
        return torch.stack([semantic.codes, self.mel_to_acoustic(mel, semantic.values, stack).codes], dim=1)

    def wave_to_codes(self, wave: Tensor, stack: int, vocab: int) -> Tensor:
        """``(B, T · hop_length + 2 · edge)`` samples → codes ``(B, 2, N)``."""
        return self.mel_to_codes(self.mel(wave, padded=True), stack, vocab)

    def codes_to_values(self, codes: Tensor, stack: int, vocab: int) -> tuple[Tensor, Tensor | None]:
        """Codes ``(B, S, N)`` → semantic codewords and acoustic values (None if there is no acoustic stream).

        Codes may lie on any device; the vectors are where the networks are.
        """
        codes = codes.to(self.codebook(stack).leaves.device)
        semantic = self.codebook(stack).decode(codes[:, 0], vocab)
        if codes.shape[1] == 1:
            return semantic, None
        return semantic, self.acoustic_quantizer.decode(codes[:, 1]).to(semantic.dtype)

    def codes_to_wave(self, codes: Tensor, stack: int, vocab: int) -> Tensor:
        """Codes ``(B, S, N)`` → ``(B, N · stack · hop_length)`` samples."""
        wave: Tensor = self.decoder(*self.codes_to_values(codes, stack, vocab), stack)
        return wave

    def codes_to_drawing(self, codes: Tensor, stack: int, vocab: int) -> Tensor:
        """The wave itself: these networks need not know where in the stream they are."""
        return self.codes_to_wave(codes, stack, vocab)

    def sound(
        self, drawing: Tensor, state: None = None, left: int = 0, start: int = 0, stop: int | None = None
    ) -> tuple[Tensor, None]:
        """What `codes_to_drawing` gave, as it is."""
        return drawing, None


def first_architecture(networks: CodecNetworks, what: str) -> Networks:
    """Networks of the first architecture, or a clear word.

    Args:
        networks: of any architecture.
        what: takes no others.

    Raises:
        ModelError: they are of another.
    """
    if isinstance(networks, Networks):
        return networks
    raise ModelError(
        f"{what} takes models of the first architecture (--model semcodec-1); this one is of {networks.config.architecture!r}"
    )
