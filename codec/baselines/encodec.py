"""EnCodec (Défossez et al. 2022, arXiv 2210.13438), 24 kHz causal mono and 48 kHz stereo, through transformers.

Weights may be those of its repositories there, or those of the package encodec, which name the same tensors differently.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from codec.audio.io import resample
from codec.baselines.interface import Encoded
from codec.baselines.names import CodecName
from codec.baselines.neural import Layout, NeuralCodec, origin
from codec.baselines.pretrained import build, transformers
from codec.baselines.programs import checked, fit
from codec.baselines.tensors import load_tensors

SCALE_BITS = 32
"""The 48 kHz model sends the loudness of every second as one float."""


@dataclass(frozen=True)
class EncodecShape:
    """Published configuration; the fields of transformers' ``EncodecConfig``."""

    target_bandwidths: tuple[float, ...]
    sampling_rate: int
    audio_channels: int
    normalize: bool
    chunk_length_s: float | None
    overlap: float | None
    norm_type: str
    use_causal_conv: bool
    hidden_size: int = 128
    num_filters: int = 32
    num_residual_layers: int = 1
    upsampling_ratios: tuple[int, ...] = (8, 5, 4, 2)
    kernel_size: int = 7
    last_kernel_size: int = 7
    residual_kernel_size: int = 3
    dilation_growth_rate: int = 2
    pad_mode: str = "reflect"
    compress: int = 2
    num_lstm_layers: int = 2
    trim_right_ratio: float = 1.0
    codebook_size: int = 1024
    codebook_dim: int = 128
    use_conv_shortcut: bool = True


SHAPES = {
    "encodec_24khz": EncodecShape((1.5, 3.0, 6.0, 12.0, 24.0), 24_000, 1, False, None, None, "weight_norm", True),
    "encodec_48khz": EncodecShape((3.0, 6.0, 12.0, 24.0), 48_000, 2, True, 1.0, 0.01, "time_group_norm", False),
}


def network(family: str, path: Path | None) -> Any:
    """The whole network; all bitrates are one set of weights."""
    package = transformers()
    config = package.EncodecConfig(**asdict(SHAPES[family]))
    if path is None or path.suffix == ".safetensors":
        return build(package.EncodecModel, config, path)
    model = build(package.EncodecModel, config, None)
    load_tensors(model, path, lambda state: {renamed(name): tensor for name, tensor in state.items()})
    return model


RENAMED = {
    r"^(encoder|decoder)\.model\.": r"\1.layers.",
    r"\.(?:conv|convtr)\.(?:conv|convtr)\.": ".conv.",
    r"\.(?:conv|convtr)\.norm\.": ".norm.",
    r"^quantizer\.vq\.": "quantizer.",
    r"\._codebook\.": ".codebook.",
    r"\.weight_g$": ".parametrizations.weight.original0",
    r"\.weight_v$": ".parametrizations.weight.original1",
}
"""From the package's names of tensors to those of transformers."""


def renamed(name: str) -> str:
    """A tensor's name in transformers.

    Example:
        >>> renamed("decoder.model.3.convtr.convtr.weight_g"), renamed("quantizer.vq.layers.0._codebook.embed")
        ('decoder.layers.3.conv.parametrizations.weight.original0', 'quantizer.layers.0.codebook.embed')
    """
    for pattern, replacement in RENAMED.items():
        name = re.sub(pattern, replacement, name)
    return name


class Encodec:
    """The 24 kHz network at one bitrate."""

    def __init__(self, network: Any, kbps: float) -> None:
        self._network, self._kbps = network, kbps

    def encode(self, wave: Tensor) -> Tensor:
        codes: Tensor = self._network.encode(wave[None, None], bandwidth=self._kbps).audio_codes
        return codes[0, 0]

    def decode(self, codes: Tensor) -> Tensor:
        audio: Tensor = self._network.decode(codes[None, None], [None]).audio_values
        return audio[0, 0]

    def embed(self, codes: Tensor) -> Tensor:
        vectors: Tensor = self._network.quantizer.decode(codes[:, None])
        return vectors[0].T


def open_encodec_24khz(name: CodecName, trained_only: bool) -> NeuralCodec:
    """``encodec_24khz@1.5``: kbit/s, 2 codebooks of 10 bits at 75 Hz."""
    name.only(1)
    kbps = _kbps(name)
    source = origin(name.family, trained_only)
    layout = Layout(24_000, 320, (1024,) * round(kbps * 1000 / 750))
    return NeuralCodec(name.text, Encodec(network(name.family, source.path), kbps), layout, source)


def _kbps(name: CodecName) -> float:
    allowed = SHAPES[name.family].target_bandwidths
    return float(name.choice(tuple(f"{kbps:g}" for kbps in allowed)))


class EncodecStereo:
    """A `Reconstructor` of the 48 kHz network.

    It works on seconds that overlap by a hundredth and sends the loudness of each beside its codes, which `Tokens` cannot
    hold. Mono goes in on both channels, as the published code does, and the mean of both comes out; the bits pay for stereo.
    """

    def __init__(self, name: CodecName, trained_only: bool) -> None:
        name.only(1)
        self._kbps = _kbps(name)
        source = origin(name.family, trained_only)
        self._network = network(name.family, source.path)
        self.name, self.version, self.trained = name.text, source.version, source.path is not None
        self.sample_rate = 48_000
        self.bitrate = self._kbps * 1000
        self.delay: float | None = 0.0

    @torch.no_grad()
    def encode(self, wave: np.ndarray, sample_rate: int) -> Encoded:
        """Codes of every second and their loudness."""
        clean = checked(wave, sample_rate)
        narrow = torch.from_numpy(resample(clean[None], sample_rate, self.sample_rate))
        if not narrow.shape[1]:
            return Encoded(0, len(clean), sample_rate, None)
        payload = self._network.encode(narrow.expand(2, -1)[None], bandwidth=self._kbps)
        chunks, _, streams, frames = payload.audio_codes.shape
        codes = payload.audio_codes[:, 0].transpose(0, 1).reshape(streams, -1)
        codes = codes[:, : chunks * frames - payload.last_frame_pad_length]
        bits = codes.numel() * 10 + chunks * SCALE_BITS
        return Encoded(bits, len(clean), sample_rate, payload, codes, (1024,) * streams)

    @torch.no_grad()
    def decode(self, encoded: Encoded) -> np.ndarray:
        """Seconds faded into each other, the mean of both channels."""
        if encoded.payload is None:
            return np.zeros(encoded.samples, np.float32)
        payload: Any = encoded.payload
        audio = self._network.decode(
            payload.audio_codes, payload.audio_scales, last_frame_pad_length=payload.last_frame_pad_length
        ).audio_values[0]
        mono = audio.mean(0).numpy()
        return fit(resample(mono[None], self.sample_rate, encoded.sample_rate)[0], encoded.samples)
