"""What a codec's networks are to the rest of the program: windows of sound ↔ windows of codes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor, nn

from codec.engine import Point
from codec.features import LogMel
from codec.networks.semantic import SemanticEncoder
from quantizers.nested import NestedKMeansQuantizer


class CodecNetworks(nn.Module, ABC):
    """Networks with one set of weights for all rates and vocabularies.

    Attributes:
        config: of the model, with ``sample_rate`` and ``vocabs``.
        mel: what the semantic encoder hears.
        semantic: the encoder.
        codebooks: for each number of frames per token.
    """

    config: Any
    mel: LogMel
    semantic: SemanticEncoder
    codebooks: nn.ModuleList

    @property
    @abstractmethod
    def points(self) -> dict[int, Point]:
        """Operating points by tokens per second."""

    @abstractmethod
    def codebook_sizes(self, vocab: int) -> tuple[int, ...]:
        """The codebook sizes of all streams, whatever the rate."""

    @property
    @abstractmethod
    def levels(self) -> tuple[tuple[int, ...], ...]:
        """Values that the digits of every acoustic stream's codes take, least significant first."""

    @property
    @abstractmethod
    def frame_length(self) -> int:
        """Samples in a frame of 50 Hz."""

    @property
    @abstractmethod
    def edge(self) -> int:
        """Samples of context on either side that the front ends take beside ``encoder_context``."""

    @property
    @abstractmethod
    def encoder_context(self) -> int:
        """Frames of 50 Hz on either side that a token depends on, in whole tokens of every rate."""

    @property
    @abstractmethod
    def decoder_context(self) -> int:
        """Frames of 50 Hz on either side that a sample depends on, but for the state, in whole tokens of every rate."""

    @property
    @abstractmethod
    def decoder_step(self) -> int:
        """Frames of 50 Hz between the places where a decoder's window can begin."""

    @abstractmethod
    def codebook(self, frames_per_token: int) -> NestedKMeansQuantizer:
        """The k-means codebooks of one token rate."""

    @abstractmethod
    def wave_to_codes(self, wave: Tensor, frames_per_token: int, vocab: int, n_streams: int | None = None) -> Tensor:
        """Samples with their context → codes ``(B, S, N)`` of the first streams, default all."""

    @abstractmethod
    def codes_to_values(self, codes: Tensor, frames_per_token: int, vocab: int) -> tuple[Tensor, Tensor | None]:
        """Codes → semantic codewords, and pitch and acoustic coefficients ``(B, N, D)``, None if there are none."""

    @abstractmethod
    def codes_to_drawing(self, codes: Tensor, frames_per_token: int, vocab: int) -> Tensor:
        """Codes ``(B, S, N)`` → all that can be computed without knowing the place in the stream."""

    @abstractmethod
    def sound(
        self, drawing: Tensor, state: Any = None, left: int = 0, start: int = 0, stop: int | None = None
    ) -> tuple[Tensor, Any]:
        """What `codes_to_drawing` gave, and the state at frame ``start`` → a window's samples, and the state at ``stop``."""
