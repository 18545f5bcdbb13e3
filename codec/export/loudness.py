"""`codec.networks.loudness` in ONNX graphs."""

from __future__ import annotations

from codec.export.graph import Graph, Value
from codec.export.tones import LN_10
from codec.export.weighted import Metric
from codec.networks.loudness import TENTH_DB


def metric(graph: Graph, block: Value, left: Value, vectors: Value, n_mels: int, frames: int, dim: int) -> Metric:
    """What coefficients cost.

    Args:
        graph: to write into.
        block: ``(N, frames · (n_mels + 1))`` features.
        left: of the same shape, by what semantic tokens tell.
        vectors: ``(frames · (n_mels + 1), dim)`` that coefficients tell.
        n_mels: bands of a frame.
        frames: in a block.
        dim: coefficients.
    """
    width = frames * (n_mels + 1)
    bands = block.reshape(-1, frames, n_mels + 1).part(0, n_mels, 2)
    weight = ((bands - bands.max(2).max(1).unsqueeze(1).unsqueeze(2)) * (20 * LN_10 / TENTH_DB)).exp()
    weight = graph.concat([weight, weight.mean(2).unsqueeze(2)], 2).reshape(-1, width)
    pairs = graph.at_the_top(lambda: (vectors.unsqueeze(2) * vectors.unsqueeze(1)).reshape(width, dim * dim))
    return Metric((weight @ pairs).reshape(-1, dim, dim), (weight * left) @ vectors)
