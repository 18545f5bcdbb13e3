"""Verification: whether two clips have the same label, which training never showed. X-ARES has no such task."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch.nn import functional as F

from codec.errors import CodecError
from eval.semantics.heads.linear import Head, Schedule, train_head
from eval.semantics.heads.metrics import equal_error_rate
from eval.semantics.heads.neighbours import unit
from eval.semantics.scores import HeadName
from eval.semantics.xares.examples import Example


def score_verification(
    train: Sequence[Example], valid: Sequence[Example], test: Sequence[Example], head: HeadName, schedule: Schedule
) -> float:
    """1 less the equal error rate over all pairs of test clips, by the cosine of their vectors.

    Args:
        train: clips of other labels; their mean is taken off, and the trained head learns to tell them apart.
        valid: clips of others again, by which its epoch is chosen.
        test: clips to compare.
        head: ``knn``: vectors as they are; ``mlp``: the trained head's logits.
        schedule: of its training.

    Raises:
        CodecError: no two clips of valid or test have the same label, or no two have different ones.
    """
    known = _stack(train)
    if head == "knn":
        return compared(_stack(test) - known.mean(0), test)
    labels = sorted({example.labels[0] for example in train})
    targets = np.array([labels.index(example.labels[0]) for example in train])

    def score(model: Head, examples: Sequence[Example]) -> float:
        return compared(model.scores(_stack(examples)) - model.scores(known).mean(0), examples)

    model = train_head(known, targets, len(labels), F.cross_entropy, lambda model: score(model, valid), schedule)
    return score(model, test)


def compared(vectors: np.ndarray, examples: Sequence[Example]) -> float:
    """1 less the equal error rate of cosines between ``(N, D)`` vectors.

    Raises:
        CodecError: there are pairs of one kind only.
    """
    labels = np.array([example.labels[0] for example in examples])
    first, second = np.triu_indices(len(examples), 1)
    same = labels[first] == labels[second]
    if same.all() or not same.any():
        raise CodecError(f"{len(examples)} clips have no pairs of both kinds: same label and another")
    cosines = unit(vectors) @ unit(vectors).T
    return 1 - equal_error_rate(cosines[first, second], same)


def _stack(examples: Sequence[Example]) -> np.ndarray:
    return np.stack([example.vectors for example in examples])
