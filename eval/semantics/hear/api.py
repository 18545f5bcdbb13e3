"""HEAR's common API, for ``python -m heareval.embeddings.runner eval.semantics.hear.api --model semcodec@50:context``."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from codec.errors import CodecError
from eval.semantics.interface import Embedder

SAMPLE_RATES = (16_000, 22_050, 32_000, 44_100, 48_000)
"""In Hz; HEAR's data exist at these only."""


class HearModel(nn.Module):
    """An embedder with the attributes that HEAR looks for.

    Attributes:
        sample_rate: that audio must come in, in Hz.
        scene_embedding_size, timestamp_embedding_size: width of a vector.
    """

    def __init__(self, embedder: Embedder, sample_rate: int) -> None:
        super().__init__()
        self.embedder = embedder
        self.sample_rate = sample_rate
        self.scene_embedding_size = self.timestamp_embedding_size = embedder.dim


def load_model(model_file_path: str = "", sample_rate: int = 16_000) -> HearModel:
    """A model of an embedder's name.

    Args:
        model_file_path: name of the embedder, for example ``semcodec@50:context``; the default if empty.
        sample_rate: in Hz, one of those that HEAR's data exist at.

    Raises:
        CodecError: no such embedder, or no such rate.
    """
    from eval.semantics.embeddings import open_embedder

    return as_model(open_embedder(model_file_path or "semcodec@50:context"), sample_rate)


def as_model(embedder: Embedder, sample_rate: int = 16_000) -> HearModel:
    """A model of an embedder that is already there.

    Raises:
        CodecError: HEAR has no data at that rate.
    """
    if sample_rate not in SAMPLE_RATES:
        raise CodecError(f"HEAR has audio at {', '.join(map(str, SAMPLE_RATES))} Hz, not at {sample_rate}")
    return HearModel(embedder, sample_rate)


def get_timestamp_embeddings(audio: Tensor, model: HearModel) -> tuple[Tensor, Tensor]:
    """Vectors over time.

    Args:
        audio: ``(n, samples)``, full scale ±1, at ``model.sample_rate``.
        model: from `load_model`.

    Returns:
        ``(n, T, D)`` float32 and the times of their centres, ``(n, T)`` float32 in ms.
    """
    if audio.ndim != 2:
        raise CodecError(f"audio of shape {tuple(audio.shape)}; HEAR gives (sounds, samples)")
    vectors = model.embedder.embed(list(audio.detach().float().cpu().numpy()), model.sample_rate)
    embeddings = torch.stack([torch.from_numpy(v).float() for v in vectors]).to(audio.device)
    centres = (torch.arange(embeddings.shape[1], device=audio.device) + 0.5) * model.embedder.hop_seconds * 1000
    return embeddings, centres.expand(len(embeddings), -1).float()


def get_scene_embeddings(audio: Tensor, model: HearModel) -> Tensor:
    """One vector per sound, ``(n, D)`` float32: the mean over time."""
    return get_timestamp_embeddings(audio, model)[0].mean(1)
