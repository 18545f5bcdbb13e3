"""Audio–text retrieval: two small networks trained to agree on pairs, as X-ARES does for Clotho."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from eval.semantics.heads.linear import Schedule, fit
from eval.semantics.heads.metrics import recall_at_1

HIDDEN = 1024
TEMPERATURE = 0.07


class Words:
    """Words of the training texts as numbers; 0 is every other word."""

    def __init__(self, texts: Sequence[str]) -> None:
        words = sorted({word for text in texts for word in _split(text)})
        self.numbers = {word: number for number, word in enumerate(words, 1)}

    def __len__(self) -> int:
        return len(self.numbers) + 1

    def __call__(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Word numbers one after the other, and where each text starts."""
        rows = [[self.numbers.get(word, 0) for word in _split(text)] or [0] for text in texts]
        starts = np.cumsum([0, *map(len, rows[:-1])])
        return torch.tensor([number for row in rows for number in row]), torch.from_numpy(starts)


class Retrieval(nn.Module):
    """Maps a clip's mean vector and a text's words to one space."""

    def __init__(self, dim: int, words: Words) -> None:
        super().__init__()
        self.words = words
        self.audio = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, HIDDEN))
        self.embedding = nn.Embedding(len(words), HIDDEN)
        self.text = nn.Sequential(nn.Linear(HIDDEN, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, HIDDEN))
        self.scale = nn.Parameter(torch.tensor(math.log(1 / TEMPERATURE)))

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """``(texts, HIDDEN)``: mean over words."""
        numbers, starts = self.words(texts)
        vectors = self.text(self.embedding(numbers))
        bounds = [*starts.tolist(), len(numbers)]
        return torch.stack([vectors[a:b].mean(0) for a, b in pairwise(bounds)])

    def loss(self, vectors: Tensor, texts: Sequence[str]) -> Tensor:
        """Symmetric contrastive loss of pairs, with X-ARES's term on the embeddings' size."""
        a, t = self.audio(vectors), self.embed_texts(texts)
        logits = self.scale.exp() * a @ t.T
        own = torch.arange(len(a))
        size = a.abs().mean() / a.norm() + t.abs().mean() / t.norm()
        return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2 + size

    @torch.inference_mode()
    def score(self, vectors: np.ndarray, captions: Sequence[Sequence[str]]) -> float:
        """`recall_at_1` of clips ``(N, D)`` and their captions."""
        owners = np.repeat(np.arange(len(captions)), [len(row) for row in captions])
        a = F.normalize(self.audio(torch.from_numpy(vectors).float()), dim=1)
        t = F.normalize(self.embed_texts([text for row in captions for text in row]), dim=1)
        return recall_at_1((a @ t.T).numpy(), owners)


def train_retrieval(
    vectors: np.ndarray,
    captions: Sequence[Sequence[str]],
    valid: tuple[np.ndarray, Sequence[Sequence[str]]],
    schedule: Schedule,
) -> Retrieval:
    """Trains on every (clip, caption) pair; the epoch with the best validation recall counts."""
    texts = [text for row in captions for text in row]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(schedule.seed)
        model = Retrieval(vectors.shape[1], Words(texts))
    owners = torch.tensor([clip for clip, row in enumerate(captions) for _ in row])
    inputs = torch.from_numpy(vectors).float()

    def loss(batch: Tensor) -> Tensor:
        return model.loss(inputs[owners[batch]], [texts[i] for i in batch])

    fit(model, len(texts), loss, lambda: model.score(*valid), schedule)
    return model


def _split(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())
