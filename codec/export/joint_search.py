"""`codec.networks.joint_search` in ONNX graphs."""

from __future__ import annotations

import numpy as np

from codec.export.graph import Graph, Value
from codec.networks.joint_search import SEMANTIC_WEIGHT


def semantic_codes(
    graph: Graph, found: tuple[Value, Value, Value], block: Value, predict: tuple[Value, Value], told: Value, dim: int
) -> tuple[Value, Value]:
    """Candidates and blocks → codes and codewords.

    Args:
        graph: to write into.
        found: codes ``(N, C)``, their squared distances, and codewords ``(N, C, D)``.
        block: ``(N, W)`` features.
        predict: weight ``(W, 3 · D)`` and bias of the prediction.
        told: ``(K, W)`` what the first acoustic codebook tells.
        dim: width D.

    Returns:
        ``(N,)`` and ``(N, D)``.
    """
    codes, distances, words = found
    nearest = (distances * -1.0).argmax(1, keepdims=True)
    first = _taken(graph, words, nearest, dim)
    choice = _Choice(graph, first, words - first.unsqueeze(1), block - predict[1], predict[0], told, dim)
    chosen, weighed = nearest, distances * SEMANTIC_WEIGHT
    odd = (graph.arange(0, codes.length(0)) % 2).unsqueeze(1)
    for parity in (0, 1):
        best = ((choice.cost(chosen) + weighed) * -1.0).argmax(1, keepdims=True)
        chosen = graph.where(odd.equals(parity), best, chosen)
    return graph.op("GatherElements", codes, chosen, axis=1).squeeze(1), _taken(graph, words, chosen, dim)


class _Choice:
    """What candidates cost, as its namesake in `codec.networks.joint_search` computes it."""

    def __init__(self, graph: Graph, first: Value, steps: Value, blocks: Value, weight: Value, told: Value, dim: int) -> None:
        self.graph, self.steps, self.told, self.dim = graph, steps, told, dim
        top = graph.at_the_top
        self.maps = [top(lambda: weight.part(at * dim, (at + 1) * dim, 1)) for at in range(3)]  # noqa: B023, called at once
        self.turned = [top(lambda: part.transpose(1, 0)) for part in self.maps]  # noqa: B023, called at once
        self.told_turned, self.half_norms = top(lambda: told.transpose(1, 0)), top(lambda: told.square().sum(1) * 0.5)
        grams = [top(lambda: turned @ part) for turned, part in zip(self.turned, self.maps, strict=True)]  # noqa: B023
        gram, heard = top(lambda: grams[0] + grams[1] + grams[2]), top(lambda: self.turned[1] @ self.told_turned)
        after, own, before = (first @ part for part in self.turned)
        self.left = blocks - _later(after) - own - _earlier(before)
        self.norms = ((steps @ gram) * steps).sum(2)
        self.scores = steps @ heard

    def cost(self, chosen: Value) -> Value:
        """``(N, C)`` errors with each candidate in its token's place, with those ``(N, 1)`` in the others' places."""
        step = _taken(self.graph, self.steps, chosen, self.dim)
        after, own, before = (step @ part for part in self.turned)
        left = self.left - _later(after) - own - _earlier(before)
        coded = left - self.told.take((left @ self.told_turned - self.half_norms).argmax(1))
        here, ahead, behind = left + own, _earlier(coded) + after, _later(coded) + before
        slopes = ahead @ self.maps[0] + here @ self.maps[1] + behind @ self.maps[2]
        gain = ((here @ self.told_turned - self.half_norms).unsqueeze(1) - self.scores).max(2)
        return self.norms - ((self.steps * slopes.unsqueeze(1)).sum(2) + gain) * 2.0


def _taken(graph: Graph, values: Value, index: Value, width: int) -> Value:
    """Of values ``(N, C, width)`` those at ``(N, 1)``: ``(N, width)``."""
    wide = index.unsqueeze(2) + np.zeros((1, 1, width), np.int64)
    return graph.op("GatherElements", values, wide, axis=1).squeeze(1)


def _later(x: Value) -> Value:
    return x.pad(1, 0, 0, 2).part(0, -1)


def _earlier(x: Value) -> Value:
    return x.pad(0, 1, 0, 2).part(1, None)
