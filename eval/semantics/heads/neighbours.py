"""Nearest neighbours as a head without parameters: how X-ARES scores its second track."""

from __future__ import annotations

import numpy as np

from codec.errors import CodecError

NEIGHBOURS = 10
TEMPERATURE = 0.07
"""Of the softmax over the similarities of neighbours."""
_BLOCK = 1024


def vote(
    train: np.ndarray,
    labels: np.ndarray,
    test: np.ndarray,
    classes: int,
    by_dimension: bool = False,
) -> np.ndarray:
    """Softmax-weighted vote of the ten training vectors with the largest cosine similarity (Wu et al. 2018).

    Args:
        train: ``(N, D)``.
        labels: ``(N,)`` class numbers.
        test: ``(M, D)``.
        classes: number of classes.
        by_dimension: scale the training set's dimensions to length 1 instead of its vectors, as the code of X-ARES 0.1.3
            does where its paper says cosine: vectors far from the origin are then everybody's neighbours.

    Returns:
        ``(M, classes)`` votes; rows sum to 1.

    Raises:
        CodecError: fewer than ten training vectors.
    """
    if len(train) < NEIGHBOURS:
        raise CodecError(f"{len(train)} training clips are fewer than the {NEIGHBOURS} neighbours of k-NN")
    train, test = unit(train.T).T if by_dimension else unit(train), unit(test)
    votes = np.zeros((len(test), classes))
    for start in range(0, len(test), _BLOCK):
        similarity = test[start : start + _BLOCK] @ train.T
        nearest = np.argpartition(-similarity, NEIGHBOURS - 1, axis=1)[:, :NEIGHBOURS]
        values = np.take_along_axis(similarity, nearest, 1) / TEMPERATURE
        weights = np.exp(values - values.max(1, keepdims=True))
        rows = np.arange(start, start + len(similarity))[:, None]
        np.add.at(votes, (rows, labels[nearest]), weights / weights.sum(1, keepdims=True))
    return votes


def unit(vectors: np.ndarray) -> np.ndarray:
    """Rows scaled to length 1; rows of zeros stay."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
