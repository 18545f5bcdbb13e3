"""Mimi (Défossez et al. 2024, arXiv 2410.00037), causal speech codec at 12.5 Hz, through transformers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from codec.baselines.names import CodecName
from codec.baselines.neural import Layout, NeuralCodec, origin
from codec.baselines.pretrained import build, transformers

PUBLISHED_STREAMS = 8
"""That its authors use it with: 1.1 kbit/s."""


@dataclass(frozen=True)
class MimiShape:
    """Published configuration; the fields of transformers' ``MimiConfig``."""

    sampling_rate: int = 24_000
    audio_channels: int = 1
    hidden_size: int = 512
    num_filters: int = 64
    num_residual_layers: int = 1
    upsampling_ratios: tuple[int, ...] = (8, 6, 5, 4)
    kernel_size: int = 7
    last_kernel_size: int = 3
    residual_kernel_size: int = 3
    dilation_growth_rate: int = 2
    use_causal_conv: bool = True
    pad_mode: str = "constant"
    compress: int = 2
    trim_right_ratio: float = 1.0
    codebook_size: int = 2048
    codebook_dim: int = 256
    num_quantizers: int = 32
    use_conv_shortcut: bool = False
    vector_quantization_hidden_dimension: int = 256
    num_semantic_quantizers: int = 1
    upsample_groups: int = 512
    num_hidden_layers: int = 8
    intermediate_size: int = 2048
    num_attention_heads: int = 8
    num_key_value_heads: int = 8
    head_dim: int = 64
    hidden_act: str = "gelu"
    max_position_embeddings: int = 8000
    norm_eps: float = 1e-5
    sliding_window: int = 250
    layer_scale_initial_scale: float = 0.01


SHAPE = MimiShape()
HOP_LENGTH = 1920


def config() -> Any:
    """The configuration of the published network."""
    return transformers().MimiConfig(**(asdict(SHAPE) | {"upsampling_ratios": list(SHAPE.upsampling_ratios)}))


def network(path: Path | None) -> Any:
    """The whole network; any number of codebooks is one set of weights."""
    return build(transformers().MimiModel, config(), path)


class Mimi:
    """The network with some of its codebooks; the first one is semantic."""

    def __init__(self, network: Any, streams: int) -> None:
        self._network, self._streams = network, streams

    def encode(self, wave: Tensor) -> Tensor:
        codes: Tensor = self._network.encode(wave[None, None], num_quantizers=self._streams).audio_codes
        return codes[0]

    def decode(self, codes: Tensor) -> Tensor:
        audio: Tensor = self._network.decode(codes[None]).audio_values
        return audio[0, 0]

    def embed(self, codes: Tensor) -> Tensor:
        vectors: Tensor = self._network.quantizer.decode(codes[None])
        return vectors[0].T


def open_mimi(name: CodecName, trained_only: bool) -> NeuralCodec:
    """``mimi@n=8``: codebooks of 11 bits."""
    name.only(0, "n")
    streams = name.integer("n", PUBLISHED_STREAMS, 1, SHAPE.num_quantizers)
    source = origin(name.family, trained_only)
    layout = Layout(SHAPE.sampling_rate, HOP_LENGTH, (SHAPE.codebook_size,) * streams)
    return NeuralCodec(name.text, Mimi(network(source.path), streams), layout, source)
