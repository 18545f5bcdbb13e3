"""`codec.networks.high_pitch` in ONNX graphs."""

from __future__ import annotations

from codec.export.graph import Graph, Value
from codec.export.tones import Lines, harmonic, pure_frames
from codec.networks.frontend import correlogram_hertz
from codec.networks.high_pitch import HIGHEST_PITCH, MOST_HARMONICS, PERIODIC
from codec.networks.tones import QUIETEST


def with_high_pitch(
    graph: Graph, pitch: tuple[Value, Value], correlogram: Value, lines: Lines, n_lags: int
) -> tuple[Value, Value]:
    """Pitch and voicing ``(T,)`` of the tracker, and ``(T, n_lags)`` → the first two again."""
    f0, voiced = pitch
    low, high = (lines.frequency.part(which, which + 1, 1).squeeze(1) for which in (0, 1))
    first, second = (lines.amplitude.part(which, which + 1, 1).squeeze(1) for which in (0, 1))
    strongest = graph.where(second > first, high, low)
    told_by_lines = harmonic(lines)
    below = low / (low / HIGHEST_PITCH).ceil().clip(low=1.0)
    rough = graph.where(told_by_lines, below, graph.constant(correlogram_hertz(n_lags).numpy()).take(correlogram.argmax(1)))
    number = (strongest / rough).round()
    found = (told_by_lines | (correlogram.max(1) > PERIODIC)) & (number >= 1.0) & (number <= float(MOST_HARMONICS))
    found &= voiced.equals(0.0) & ~pure_frames(lines, voiced) & (lines.amplitude.max(1) >= QUIETEST)
    return graph.where(found, strongest / number.clip(low=1.0), f0), graph.where(found, 1.0, voiced)
