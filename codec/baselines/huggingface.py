"""``hf:NAME``: any audio tokenizer of transformers whose ``encode`` gives ``audio_codes`` and whose ``decode`` takes them."""

from __future__ import annotations

import hashlib
import inspect
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from codec.baselines.names import CodecName
from codec.baselines.neural import Layout, NeuralCodec, Origin
from codec.baselines.pretrained import quietly, transformers
from codec.errors import CodecError, ModelError

PROBED_SECONDS = (2, 4)
"""Of silence, whose difference in frames tells the frame rate."""


class Tokenizer:
    """A model of transformers as a `codec.baselines.neural.Network`.

    Args:
        model: with ``encode`` and ``decode``.
        options: of ``encode``, for example ``bandwidth``.
    """

    def __init__(self, model: Any, options: dict[str, float]) -> None:
        self._model, self._options = model, options
        taken = inspect.signature(model.decode).parameters
        self._codes = "audio_codes" if "audio_codes" in taken else next(iter(taken))
        self._scales = {"audio_scales": [None]} if "audio_scales" in taken else {}
        self._chunks = False
        self.hop_length = 0

    def encode(self, wave: Tensor) -> Tensor:
        codes: Tensor = self._model.encode(wave[None, None], **self._options).audio_codes
        self._chunks = codes.ndim == 4  # EnCodec's: chunks of a long file come first
        if self._chunks and len(codes) > 1:
            raise ModelError(f"{type(self._model).__name__} encodes in {len(codes)} chunks, which are no single sequence")
        found = (codes[0] if self._chunks else codes)[0]
        return found[:, : len(wave) // self.hop_length] if self.hop_length else found

    def decode(self, codes: Tensor) -> Tensor:
        batch = codes[None, None] if self._chunks else codes[None]
        audio: Tensor = self._model.decode(**{self._codes: batch}, **self._scales).audio_values
        return audio.reshape(-1)

    def embed(self, codes: Tensor) -> Tensor:
        raise ModelError(f"{type(self._model).__name__}: which vectors its decoder sees is not known; name the codec itself")


def open_huggingface(name: CodecName, trained_only: bool = True) -> NeuralCodec:
    """``hf:FOLDER`` or ``hf:OWNER/NAME``, with what its ``encode`` takes behind an ``@``: ``hf:FOLDER@bandwidth=3``.

    Its weights are taken for trained ones: nothing in a folder says how they were made.

    Raises:
        CodecError: no such model, or none of that kind.
    """
    if name.folder is None or name.values:
        raise name.refuse("write hf: and a folder or a name, then options such as @bandwidth=3")
    package = transformers()
    try:
        with quietly():
            model = package.AutoModel.from_pretrained(name.folder).eval().requires_grad_(False)
    except Exception as error:  # whatever hub, file formats and configurations raise
        reason = " ".join(str(error).split())[:200]
        raise ModelError(f"{name.text}: neither a folder nor a name that transformers can open ({reason})") from error
    if not all(hasattr(model, method) for method in ("encode", "decode")):
        raise ModelError(f"{name.text}: {type(model).__name__} has no encode and decode")
    network = Tokenizer(model, _options(name, model))
    try:
        layout = _layout(network, model.config)
    except CodecError:
        raise
    except Exception as error:
        raise ModelError(f"{name.text}: no audio tokenizer ({type(error).__name__}: {error})") from error
    network.hop_length = layout.hop_length
    return NeuralCodec(name.text, network, layout, Origin(Path(name.folder), _fingerprint(model)))


def _options(name: CodecName, model: Any) -> dict[str, float]:
    known = inspect.signature(model.encode).parameters
    found: dict[str, float] = {}
    for key, text in name.options.items():
        if key not in known:
            raise name.refuse(f"{type(model).__name__} does not know {key!r}; it takes {', '.join(known)}")
        try:
            found[key] = int(text) if text.isdecimal() else float(text)
        except ValueError as error:
            raise name.refuse(f"{key} is no number") from error
    return found


@torch.no_grad()
def _layout(network: Tokenizer, config: Any) -> Layout:
    """What a model does with silence tells its frames; its configuration the rest."""
    rate = int(config.sampling_rate)
    short, long = (network.encode(torch.zeros(seconds * rate)) for seconds in PROBED_SECONDS)
    hop = (PROBED_SECONDS[1] - PROBED_SECONDS[0]) * rate / (long.shape[1] - short.shape[1])
    if hop != int(hop):
        raise ModelError(f"{rate} Hz over frames of {hop:.2f} samples: tokens do not come at a steady rate")
    return Layout(rate, int(hop), (int(config.codebook_size),) * len(short))


def _fingerprint(model: Any) -> str:
    digest = hashlib.sha256(type(model).__name__.encode())
    for key, value in sorted(model.state_dict().items()):
        digest.update(key.encode())
        digest.update(value.contiguous().cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]
