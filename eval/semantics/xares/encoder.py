"""Any embedder as an encoder for the real ``xares`` package, and for XARES-LLM."""

from __future__ import annotations

import re
from enum import Enum
from typing import Any

import torch
from torch import Tensor, nn

from codec.errors import CodecError
from eval.semantics.interface import Embedder
from eval.semantics.xares.examples import XARES_RATE


class _NotAsked(Enum):
    """What X-ARES, which knows no masks, says of them."""

    NOT_ASKED = "not asked"


NOT_ASKED = _NotAsked.NOT_ASKED


class _AsEncoder(nn.Module):
    """What both packages call; made for one embedder by `wrap`.

    Args:
        train: XARES-LLM says it of its benchmark of trainable encoders.

    Attributes:
        sampling_rate: that audio must come in, in Hz.
        output_dim: width of a frame.
        hop_size_in_ms: from frame to frame.
    """

    embedder: Embedder

    def __init__(self, train: bool = False) -> None:
        super().__init__()
        if train:
            raise CodecError(f"{self.embedder.name} cannot be trained inside XARES-LLM; choose a benchmark of frozen encoders")
        self.sampling_rate = XARES_RATE
        self.output_dim = self.embedder.dim
        self.hop_size_in_ms = self.embedder.hop_seconds * 1000

    @torch.no_grad()  # not inference_mode: XARES-LLM trains a projector on what comes out
    def forward(
        self, audio: Tensor, audio_attention_mask: Tensor | _NotAsked | None = NOT_ASKED
    ) -> Tensor | tuple[Tensor, Tensor | None]:
        """X-ARES: ``(B, samples)`` → ``(B, T, D)``, padding and all. XARES-LLM gives a mask or None, and gets one or None.

        Args:
            audio: ``(B, samples)`` or ``(samples,)``.
            audio_attention_mask: ``(B, samples)``, 1 where there is audio; only that is then looked at.
        """
        rows = (audio[None] if audio.ndim == 1 else audio).float().cpu().numpy()
        if not isinstance(audio_attention_mask, Tensor):
            vectors = self.embedder.embed(list(rows), self.sampling_rate)
            whole = torch.stack([torch.from_numpy(v).float() for v in vectors]).to(audio.device)
            return (whole, None) if audio_attention_mask is None else whole
        lengths = audio_attention_mask.reshape(len(rows), -1).sum(1).long().tolist()
        vectors = self.embedder.embed([row[:n] for row, n in zip(rows, lengths, strict=True)], self.sampling_rate)
        longest = max(len(v) for v in vectors)
        features = torch.zeros(len(vectors), longest, self.output_dim)
        mask = torch.zeros(len(vectors), longest, dtype=torch.int64)
        for index, v in enumerate(vectors):
            features[index, : len(v)] = torch.from_numpy(v)
            mask[index, : len(v)] = 1
        return features.to(audio.device), mask.to(audio.device)


def wrap(embedder: Embedder) -> type[nn.Module]:
    """A class of its own for an embedder: X-ARES keeps embeddings and scores under the class's name.

    Example:
        >>> from types import SimpleNamespace
        >>> wrap(SimpleNamespace(name="semcodec@50:semantic", dim=8, hop_seconds=0.04)).__name__
        'Semcodec50SemanticEncoder'
    """
    return type(class_name(embedder.name), (_AsEncoder,), {"embedder": embedder})


def class_name(name: str) -> str:
    """CamelCase of an embedder's name, ending in ``Encoder`` as both packages demand."""
    words = re.findall(r"[A-Za-z]+|\d+", name)
    return "".join(word[0].upper() + word[1:] for word in words) + "Encoder"


def patch_audio_loading() -> None:
    """Lets ``torchaudio.load`` read files through our own readers where torchcodec, which it wants since 2.9, is not installed.

    Without a reader the package drops every clip with a warning and goes on with empty data.
    """
    import importlib.util

    import torchaudio

    if importlib.util.find_spec("torchcodec") is not None:
        return

    def load(uri: Any, *_: object, **__: object) -> tuple[Tensor, int]:
        from codec.audio.io import read_audio

        wave, sample_rate = read_audio(uri)
        return torch.from_numpy(wave), sample_rate

    torchaudio.load = load
