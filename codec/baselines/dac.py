"""Descript Audio Codec (Kumar et al. 2023, arXiv 2306.06546), 16, 24 and 44.1 kHz, through transformers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from codec.baselines.names import CodecName
from codec.baselines.neural import Layout, NeuralCodec, origin
from codec.baselines.pretrained import build, transformers


@dataclass(frozen=True)
class DacShape:
    """Published configuration; the fields of transformers' ``DacConfig``."""

    sampling_rate: int
    n_codebooks: int
    downsampling_ratios: tuple[int, ...]
    encoder_hidden_size: int = 64
    decoder_hidden_size: int = 1536
    codebook_size: int = 1024
    codebook_dim: int = 8

    @property
    def hop_length(self) -> int:
        """Samples of a frame."""
        first, second, third, fourth = self.downsampling_ratios
        return first * second * third * fourth


SHAPES = {
    "dac_16khz": DacShape(16_000, 12, (2, 4, 5, 8)),
    "dac_24khz": DacShape(24_000, 32, (2, 4, 5, 8)),
    "dac_44khz": DacShape(44_100, 9, (2, 4, 8, 8)),
}


def network(family: str, path: Path | None) -> Any:
    """The whole network; any number of codebooks is one set of weights."""
    package = transformers()
    return build(package.DacModel, package.DacConfig(**asdict(SHAPES[family])), path)


class Dac:
    """The network with some of its codebooks."""

    def __init__(self, network: Any, streams: int) -> None:
        self._network, self._streams = network, streams

    def encode(self, wave: Tensor) -> Tensor:
        codes: Tensor = self._network.encode(wave[None, None], n_quantizers=self._streams).audio_codes
        return codes[0]

    def decode(self, codes: Tensor) -> Tensor:
        audio: Tensor = self._network.decode(audio_codes=codes[None]).audio_values
        return audio[0]

    def embed(self, codes: Tensor) -> Tensor:
        vectors: Tensor = self._network.quantizer.from_codes(codes[None])[0]
        return vectors[0].T


def open_dac(name: CodecName, trained_only: bool) -> NeuralCodec:
    """``dac_16khz@n=2``: codebooks of 10 bits; all of them if left out."""
    name.only(0, "n")
    shape = SHAPES[name.family]
    streams = name.integer("n", shape.n_codebooks, 1, shape.n_codebooks)
    source = origin(name.family, trained_only)
    layout = Layout(shape.sampling_rate, shape.hop_length, (shape.codebook_size,) * streams)
    return NeuralCodec(name.text, Dac(network(name.family, source.path), streams), layout, source)
