"""SNAC (Siuzdak et al. 2024, arXiv 2410.14411), codebooks at three time scales, through its package."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from codec.baselines.names import CodecName
from codec.baselines.neural import SEED, Layout, NeuralCodec, at_random, origin
from codec.baselines.tensors import load_tensors
from codec.errors import CodecError


@dataclass(frozen=True)
class SnacShape:
    """Published configuration of the 24 kHz model; the arguments of ``snac.SNAC``."""

    sampling_rate: int = 24_000
    encoder_dim: int = 48
    encoder_rates: tuple[int, ...] = (2, 4, 8, 8)
    decoder_dim: int = 1024
    decoder_rates: tuple[int, ...] = (8, 8, 4, 2)
    attn_window_size: None = None
    codebook_size: int = 4096
    codebook_dim: int = 8
    vq_strides: tuple[int, ...] = (4, 2, 1)
    noise: bool = True
    depthwise: bool = True


SHAPE = SnacShape()
HOP_LENGTH = 2048
"""512 samples of the finest scale, four of which make a frame of the coarsest."""
CODES = tuple(SHAPE.vq_strides[0] // stride for stride in SHAPE.vq_strides)
"""Of each scale in a frame: 1, 2, 4, side by side as seven streams."""


def network(path: Path | None) -> Any:
    """The network.

    Raises:
        CodecError: the package is not installed.
    """
    try:
        from snac import SNAC
    except ImportError as error:
        raise CodecError("snac_24khz needs the package snac: pip install 'semcodec[baselines]'") from error
    model = at_random(lambda: SNAC(**asdict(SHAPE)))
    if path is not None:
        load_tensors(model, path)
    return model.eval().requires_grad_(False)


class Snac:
    """The network, its three scales as seven streams of one frame rate."""

    def __init__(self, network: Any) -> None:
        self._network = network

    def encode(self, wave: Tensor) -> Tensor:
        scales = self._network.encode(wave[None, None])
        return torch.cat([codes.reshape(-1, count).T for codes, count in zip(scales, CODES, strict=True)])

    def decode(self, codes: Tensor) -> Tensor:
        # The decoder adds noise; a fixed seed makes its output a function of the codes.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(SEED)
            audio: Tensor = self._network.decode(self._scales(codes))
        return audio[0, 0]

    def embed(self, codes: Tensor) -> Tensor:
        vectors: Tensor = self._network.quantizer.from_codes(self._scales(codes))
        return vectors[0].T.reshape(codes.shape[1], -1)

    def _scales(self, codes: Tensor) -> list[Tensor]:
        return [part.T.reshape(1, -1) for part in torch.split(codes, list(CODES))]


def open_snac(name: CodecName, trained_only: bool) -> NeuralCodec:
    """``snac_24khz``, which has one bitrate."""
    name.only(0)
    source = origin(name.family, trained_only)
    layout = Layout(SHAPE.sampling_rate, HOP_LENGTH, (SHAPE.codebook_size,) * sum(CODES))
    return NeuralCodec(name.text, Snac(network(source.path)), layout, source)
