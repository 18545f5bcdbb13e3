"""`codec.networks.level` in ONNX graphs."""

from __future__ import annotations

from collections.abc import Callable

from codec.export.graph import Graph, Value
from codec.export.tones import LN_10
from codec.networks.level import (
    GIVEN_BACK_DB,
    HIGHEST_DB,
    LEVELLED_DB,
    LOST_BY_ALL_DB,
    LOST_BY_FIRST_DB,
    LOST_BY_ONLY_DB,
    MISSING_SHARE,
    STEADY_BANDS,
    STEADY_DB,
    STEADY_DEPTH_DB,
    STEADY_FRAMES,
    STEEPNESS,
    UNSTEADY_DB,
)

DECIBELS = 10 / LN_10
"""Of a natural logarithm of power."""


def aims(
    graph: Graph,
    told: list[Value],
    block: Value,
    predicted: Value,
    wanted: Value,
    n_mels: int,
    frames: int,
    analysis: Callable[[Value], Value],
    synthesis: Callable[[Value], Value],
) -> tuple[Value, Value]:
    """Coefficients ``(N, D)`` for all codewords, and for the first one.

    Args:
        graph: that they are computed in.
        told: codewords ``(N, D)`` that are nearest, whatever is lost.
        block: ``(N, frames · (n_mels + 1))``.
        predicted: of the same shape, what semantic tokens tell.
        wanted: ``(N, D)`` coefficients of the blocks.
        n_mels: bands of a frame.
        frames: in a block.
        analysis: of blocks.
        synthesis: of coefficients.
    """
    steady = steadiness(graph, block.reshape(-1, n_mels + 1), n_mels, frames)
    bands = block.reshape(-1, frames, n_mels + 1).part(0, n_mels, 2) * 20.0
    depth = (bands.max(2).max(1).unsqueeze(1).unsqueeze(2) - bands) * (1 / LEVELLED_DB)
    louder = (1.0 - steady.unsqueeze(1).unsqueeze(2) * depth.clip(high=1.0)).pad(0, 1, 2, 3)  # but for the voicing
    direction = analysis(louder.reshape(-1, frames * (n_mels + 1)) * (1 / 20))

    def level(features: Value) -> Value:
        power = (features.reshape(-1, frames, n_mels + 1).part(0, n_mels, 2) * (2 * LN_10)).exp()
        return power.sum(2).mean(1).clip(low=1e-12).log() * DECIBELS

    def raised(codewords: Value, usual_db: float) -> Value:
        lost = true - level(predicted + synthesis(codewords))
        gain = graph.op("Min", (lost - usual_db) * STEEPNESS, (lost - GIVEN_BACK_DB) * MISSING_SHARE).clip(0.0, HIGHEST_DB)
        gain = gain + steady * (lost.clip(0.0, HIGHEST_DB) - gain)
        return wanted + gain.unsqueeze(1) * direction

    true = level(block)
    if len(told) == 1:
        only = raised(told[0], LOST_BY_ONLY_DB)
        return only, only
    return raised(sum(told[1:], told[0]), LOST_BY_ALL_DB), raised(told[0], LOST_BY_FIRST_DB)


def steadiness(graph: Graph, features: Value, n_mels: int, frames: int) -> Value:
    """``(T, n_mels + 1)`` → how steady blocks are ``(T / frames,)``."""
    around = 2 * STEADY_FRAMES + 1
    bands = (features.part(0, n_mels, 1) * (2 * LN_10)).exp()
    if n_mels % STEADY_BANDS:
        bands = bands.pad(0, -n_mels % STEADY_BANDS, 1, 2)
    bands = bands.reshape(-1, STEADY_BANDS, -(-n_mels // STEADY_BANDS))
    power = bands.sum(2)
    total = power.sum(1)
    floor = _greatest(graph, total, 2 * around - 1) * 10 ** (-STEADY_DEPTH_DB / 10)
    levels = (power + floor.unsqueeze(1)).clip(low=1e-12).log() * DECIBELS
    mean, square = (_mean(graph, part, around) for part in (levels, levels.square()))
    deviation = (square - mean.square()).clip(low=0.0).mean(1).sqrt()
    least = _greatest(graph, deviation * -1.0, around) * -1.0
    steady = ((UNSTEADY_DB - least) * (1 / (UNSTEADY_DB - STEADY_DB))).clip(0.0, 1.0) * (total > floor).cast("float32")
    return (steady.reshape(-1, frames) * -1.0).max(1) * -1.0


def _greatest(graph: Graph, values: Value, around: int) -> Value:
    """The greatest of so many values around each of ``(T,)``."""
    row = values.unsqueeze(0).unsqueeze(0)
    pooled = graph.op("MaxPool", row, kernel_shape=[around], strides=[1], pads=[around // 2] * 2)
    return pooled.squeeze(0).squeeze(0)


def _mean(graph: Graph, values: Value, around: int) -> Value:
    """The mean of so many rows around each of ``(T, bands)``."""
    row = values.transpose(1, 0).unsqueeze(0)
    pads = [around // 2] * 2
    pooled = graph.op("AveragePool", row, kernel_shape=[around], strides=[1], pads=pads, count_include_pad=0)
    return pooled.squeeze(0).transpose(1, 0)
