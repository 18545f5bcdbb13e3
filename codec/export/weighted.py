"""`quantizers.weighted` in ONNX graphs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from codec.export.graph import Graph, Value
from quantizers.weighted import BEAM, SHORTLIST


class Metric(NamedTuple):
    """As its namesake in `quantizers.weighted`: products ``(N, D, D)`` and slopes ``(N, D)``."""

    products: Value
    slopes: Value

    def moved(self, by: Value) -> Metric:
        """The metric of vectors that lie elsewhere by ``(N, D)``."""
        return Metric(self.products, self.slopes + _times(self.products, by))


def searched(
    graph: Graph, points: Value, near: Value, metric: Metric | None, books: Sequence[Value], sizes: Sequence[int], dim: int
) -> Value:
    """Codes ``(N, G)`` of vectors, the first ones near to others.

    Args:
        graph: to write into.
        points: ``(N, D)``.
        near: ``(N, D)`` that first codewords come near to.
        metric: of the points, if there is more than one codebook.
        books: ``(K, D)`` each.
        sizes: K of each.
        dim: width D.
    """
    first, *others = books
    code = graph.top(near @ first.transpose(1, 0) - first.square().sum(1) * 0.5, 1, largest=True)
    if metric is None:
        return code
    codeword = first.take(code.squeeze(1))
    codes, ways = [code], 1  # codes are (N, ways), of each codebook so far; the rest and its slopes (N, ways, D)
    rest = (points - codeword).unsqueeze(1)
    slopes = (metric.slopes - _times(metric.products, codeword)).unsqueeze(1)
    costs: Value | None = None
    for book, size in zip(others, sizes[1:], strict=True):
        count = min(SHORTLIST, size)
        found = graph.top(rest @ book.transpose(1, 0) - book.square().sum(1) * 0.5, count, largest=True)
        every = ways * count
        words = book.take(found)  # (N, ways, count, D)
        turned = (words.reshape(0, every, dim) @ metric.products).reshape(0, ways, count, dim)
        each = (words * (turned - slopes.unsqueeze(2) * 2.0)).sum(3)
        each = (each if costs is None else each + costs.unsqueeze(2)).reshape(0, every)
        ways = min(BEAM, every)
        best = graph.top(each, ways, largest=False)
        way = best // count
        codes = [_taken(before, way) for before in codes] + [_taken(found.reshape(0, every), best)]
        rest = _taken(rest, way, dim) - _taken(words.reshape(0, every, dim), best, dim)
        slopes = _taken(slopes, way, dim) - _taken(turned.reshape(0, every, dim), best, dim)
        costs = _taken(each, best)
    return graph.concat([each.part(0, 1, 1) for each in codes], 1)


def _taken(values: Value, index: Value, width: int = 0) -> Value:
    """Of values ``(N, C)``, or ``(N, C, width)``, those at ``(N, C')``."""
    wide = index.unsqueeze(2) + np.zeros((1, 1, width), np.int64) if width else index
    return values.graph.op("GatherElements", values, wide, axis=1)


def _times(products: Value, vectors: Value) -> Value:
    return (products @ vectors.unsqueeze(2)).squeeze(2)
