"""Descript Audio Codec (Kumar et al. 2023, arXiv 2306.06546), 16, 24 and 44.1 kHz, through transformers.

Weights may be those of its repositories there, or those of the package descript-audio-codec, which name the same tensors
differently and keep every convolution's direction and length apart.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from codec.baselines.names import CodecName
from codec.baselines.neural import Layout, NeuralCodec, origin
from codec.baselines.pretrained import build, transformers
from codec.baselines.tensors import load_tensors


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
    config = package.DacConfig(**asdict(SHAPES[family]))
    if path is None or path.suffix == ".safetensors":
        return build(package.DacModel, config, path)
    model = build(package.DacModel, config, None)
    load_tensors(model, path, lambda checkpoint: converted(checkpoint["state_dict"]))
    return model


_UNIT = ("snake1", "conv1", "snake2", "conv2")
_STAGES = {
    "encoder.block": ("res_unit1", "res_unit2", "res_unit3", "snake1", "conv1"),
    "decoder.model": ("snake1", "conv_t1", "res_unit1", "res_unit2", "res_unit3"),
}


def _layers() -> dict[str, str]:
    found: dict[str, str] = {}
    for stack, parts in _STAGES.items():
        half = stack.partition(".")[0]
        found |= {f"{stack}.{index}": f"{half}.{layer}" for index, layer in ((0, "conv1"), (5, "snake1"), (6, "conv2"))}
        for stage, (index, part) in itertools.product(range(4), enumerate(parts)):
            old, new = f"{stack}.{stage + 1}.block.{index}", f"{half}.block.{stage}.{part}"
            found[old] = new
            if part.startswith("res_unit"):
                found |= {f"{old}.block.{within}": f"{new}.{layer}" for within, layer in enumerate(_UNIT)}
    return found


LAYERS = _layers()
"""From the package's names of layers to those of transformers; the quantiser's are the same in both."""


def renamed(name: str) -> str:
    """A tensor's name in transformers.

    Example:
        >>> renamed("encoder.block.2.block.0.block.3.weight_g"), renamed("decoder.model.1.block.1.bias")
        ('encoder.block.1.res_unit1.conv2.weight_g', 'decoder.block.0.conv_t1.bias')
    """
    layer, _, tensor = name.rpartition(".")
    return f"{LAYERS.get(layer, layer)}.{tensor}"


def converted(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The package's state dict as that of transformers, with directions and lengths of convolutions multiplied out."""
    found = {}
    for name, tensor in state.items():
        if name.endswith(".weight_v"):
            length = state[name.replace(".weight_v", ".weight_g")]
            name, tensor = name.replace(".weight_v", ".weight"), tensor * (length / tensor.norm(dim=(1, 2), keepdim=True))
        if not name.endswith(".weight_g"):
            found[renamed(name)] = tensor
    return found


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
