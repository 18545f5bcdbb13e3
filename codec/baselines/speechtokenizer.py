"""SpeechTokenizer (Zhang et al. 2023, arXiv 2308.16692), 16 kHz, first codebook distilled from HuBERT, through its package."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from codec.baselines.names import CodecName
from codec.baselines.neural import Layout, NeuralCodec, at_random, origin
from codec.baselines.tensors import load_tensors
from codec.errors import CodecError


@dataclass(frozen=True)
class SpeechTokenizerShape:
    """Published configuration (``speechtokenizer_hubert_avg``); the fields that the network reads."""

    n_filters: int = 64
    strides: tuple[int, ...] = (8, 5, 4, 2)
    dimension: int = 1024
    semantic_dimension: int = 768
    bidirectional: bool = True
    dilation_base: int = 2
    residual_kernel_size: int = 3
    n_residual_layers: int = 1
    lstm_layers: int = 2
    activation: str = "ELU"
    codebook_size: int = 1024
    n_q: int = 8
    sample_rate: int = 16_000


SHAPE = SpeechTokenizerShape()
HOP_LENGTH = 320


def network(path: Path | None) -> Any:
    """The network.

    Raises:
        CodecError: its package is not installed, or a package that it imports without declaring it.
    """
    try:
        from speechtokenizer import SpeechTokenizer
    except ImportError as error:
        raise CodecError(f"speechtokenizer needs the package {error.name}: pip install 'semcodec[baselines]'") from error
    model = at_random(lambda: SpeechTokenizer(asdict(SHAPE) | {"strides": list(SHAPE.strides)}))
    if path is not None:
        load_tensors(model, path)
    return model.eval().requires_grad_(False)


class SpeechTokenizerNetwork:
    """The network with some of its codebooks."""

    def __init__(self, network: Any, streams: int) -> None:
        self._network, self._streams = network, streams

    def encode(self, wave: Tensor) -> Tensor:
        codes: Tensor = self._network.encode(wave[None, None], n_q=self._streams)
        return codes[:, 0]

    def decode(self, codes: Tensor) -> Tensor:
        audio: Tensor = self._network.decode(codes[:, None])
        return audio[0, 0]

    def embed(self, codes: Tensor) -> Tensor:
        vectors: Tensor = self._network.quantizer.decode(codes[:, None])
        return vectors[0].T


def open_speechtokenizer(name: CodecName, trained_only: bool) -> NeuralCodec:
    """``speechtokenizer@n=8``: codebooks of 10 bits at 50 Hz."""
    name.only(0, "n")
    streams = name.integer("n", SHAPE.n_q, 1, SHAPE.n_q)
    source = origin(name.family, trained_only)
    layout = Layout(SHAPE.sample_rate, HOP_LENGTH, (SHAPE.codebook_size,) * streams)
    return NeuralCodec(name.text, SpeechTokenizerNetwork(network(source.path), streams), layout, source)
