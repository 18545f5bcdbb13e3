"""Metrics of heads, all between 0 and 1, higher is better."""

from __future__ import annotations

import numpy as np


def accuracy(scores: np.ndarray, labels: np.ndarray) -> float:
    """Share of clips whose highest score ``(N, classes)`` is that of their label ``(N,)``.

    Example:
        >>> accuracy(np.array([[0.9, 0.1], [0.8, 0.2]]), np.array([0, 1]))
        0.5
    """
    return float((scores.argmax(1) == labels).mean())


def chroma_accuracy(scores: np.ndarray, labels: np.ndarray) -> float:
    """`accuracy`, where classes that are octaves (multiples of 12) apart count as the same."""
    return float((scores.argmax(1) % 12 == labels % 12).mean())


def average_precision(scores: np.ndarray, targets: np.ndarray) -> float:
    """Area under the precision-recall curve of one class as a step function; equal scores share one step.

    Args:
        scores: ``(N,)``.
        targets: ``(N,)`` bool, at least one of them true.
    """
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(targets[order])
    last_of_its_score = np.append(np.diff(scores[order]) != 0, True)
    hits, ranks = hits[last_of_its_score], np.flatnonzero(last_of_its_score) + 1
    return float(np.sum(np.diff(hits, prepend=0) / hits[-1] * hits / ranks))


def mean_average_precision(scores: np.ndarray, targets: np.ndarray, absent_as_zero: bool = False) -> float:
    """Mean over classes of `average_precision`.

    Args:
        scores: ``(N, classes)``.
        targets: ``(N, classes)`` bool.
        absent_as_zero: count classes that nothing in ``targets`` belongs to as 0, as scikit-learn does, instead of leaving
            them out.
    """
    values = [average_precision(scores[:, c], targets[:, c]) for c in range(scores.shape[1]) if targets[:, c].any()]
    return float(np.sum(values) / (scores.shape[1] if absent_as_zero else max(len(values), 1)))


def f1(predictions: np.ndarray, targets: np.ndarray, average: str) -> float:
    """F1 of bool ``(N, classes)``: ``micro`` over all decisions, or ``macro``, the mean over classes.

    A class without positives on either side counts as 0 in ``macro``, as in scikit-learn.
    """
    axis = None if average == "micro" else 0
    hits = (predictions & targets).sum(axis)
    total = predictions.sum(axis) + targets.sum(axis)
    return float(np.mean(2 * hits / np.maximum(total, 1)))


def equal_error_rate(scores: np.ndarray, same: np.ndarray) -> float:
    """Share of pairs that are wrongly accepted where as large a share is wrongly refused; pairs of equal scores go together.

    Args:
        scores: ``(N,)``, higher for pairs that seem to be alike.
        same: ``(N,)`` bool, true for pairs that are; there are some of either kind.

    Example:
        >>> equal_error_rate(np.array([0.9, 0.8, 0.7, 0.1]), np.array([True, False, True, False]))
        0.5
    """
    order = np.argsort(-scores, kind="stable")
    accepted = np.stack([np.cumsum(same[order]), np.cumsum(~same[order])])
    last_of_its_score = np.append(np.diff(scores[order]) != 0, True)
    accepted = np.pad(accepted[:, last_of_its_score], ((0, 0), (1, 0)))
    refused, wrong = 1 - accepted[0] / accepted[0, -1], accepted[1] / accepted[1, -1]
    after = int(np.argmax(wrong >= refused))
    gaps = (refused - wrong)[after - 1 : after + 1]
    return float(wrong[after - 1] + gaps[0] / (gaps[0] - gaps[1]) * (wrong[after] - wrong[after - 1]))


def recall_at_1(similarity: np.ndarray, owners: np.ndarray) -> float:
    """Mean of text→audio and audio→text recall at rank 1.

    Args:
        similarity: ``(audio, texts)``.
        owners: ``(texts,)`` index of the clip that each text describes.
    """
    from_audio = owners[similarity.argmax(1)] == np.arange(len(similarity))
    from_text = similarity.argmax(0) == owners
    return float((from_audio.mean() + from_text.mean()) / 2)
