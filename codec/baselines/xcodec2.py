"""X-Codec 2 (Ye et al. 2025, arXiv 2502.04128), speech, one scalar-quantised stream at 50 Hz, through transformers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from codec.baselines.names import CodecName
from codec.baselines.neural import Layout, NeuralCodec, origin
from codec.baselines.pretrained import build, transformers


@dataclass(frozen=True)
class Xcodec2Shape:
    """Published configuration; the fields of transformers' ``Xcodec2Config``.

    Its semantic encoder is the first sixteen layers of w2v-BERT 2.0, transformers' default for this model.
    """

    sampling_rate: int = 16_000
    hidden_size: int = 1024
    intermediate_size: int = 4096
    num_hidden_layers: int = 12
    num_attention_heads: int = 16
    num_key_value_heads: int = 16
    head_dim: int = 64
    encoder_hidden_size: int = 48
    downsampling_ratios: tuple[int, ...] = (2, 2, 4, 4, 5)
    quantization_dim: int = 2048
    quantization_levels: tuple[int, ...] = (4, 4, 4, 4, 4, 4, 4, 4)


SHAPE = Xcodec2Shape()
HOP_LENGTH = 320
CODEBOOK_SIZE = 65_536


def config() -> Any:
    """The configuration of the published network."""
    return transformers().Xcodec2Config(**asdict(SHAPE))


def network(config: Any, path: Path | None) -> Any:
    """The whole network: 0.6 G weights."""
    return build(transformers().Xcodec2Model, config, path)


class Xcodec2:
    """The network and the features that its semantic encoder hears."""

    def __init__(self, network: Any) -> None:
        self._network, self._features = network, transformers().Xcodec2FeatureExtractor()

    def encode(self, wave: Tensor) -> Tensor:
        inputs = self._features(audio=wave.numpy(), sampling_rate=SHAPE.sampling_rate, return_tensors="pt")
        codes: Tensor = self._network.encode(**inputs).audio_codes
        # The extractor appends a sample before it fills up to whole frames; the frame of silence that this adds is not sent.
        return codes[0, :, : len(wave) // HOP_LENGTH]

    def decode(self, codes: Tensor) -> Tensor:
        audio: Tensor = self._network.decode(codes[None]).audio_values
        return audio.flatten()

    def embed(self, codes: Tensor) -> Tensor:
        vectors: Tensor = self._network.quantizer.from_codes(codes[None].transpose(1, 2))
        return vectors[0]


def open_xcodec2(name: CodecName, trained_only: bool) -> NeuralCodec:
    """``xcodec2``, which has one bitrate: 16 bits at 50 Hz."""
    name.only(0)
    source = origin(name.family, trained_only)
    layout = Layout(SHAPE.sampling_rate, HOP_LENGTH, (CODEBOOK_SIZE,))
    return NeuralCodec(name.text, Xcodec2(network(config(), source.path)), layout, source)
