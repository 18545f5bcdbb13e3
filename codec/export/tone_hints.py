"""`codec.networks.tone_hints` in ONNX graphs."""

from __future__ import annotations

import numpy as np

from codec.export.graph import Graph, Value
from codec.networks.tone_hints import ASSUMED_DOWN, CELLS, HINTS, NEAR_ASSUMED, NO_DETAIL, PARTS, SPARE, STEPS_DOWN
from codec.networks.tones import N_LEVELS

NEAREST = np.array([np.abs(N_LEVELS - 1 - level - np.array(STEPS_DOWN)).argmin() for level in range(N_LEVELS)])
"""Number of the level that is told, by a tone's level."""


def partnered(graph: Graph, codes: Value, is_tone: Value, power: Value, rest: Value) -> tuple[Value, Value]:
    """Codes ``(N, 2)``, which tokens are tones, strengths of these and of all else ``(N,)`` → the first two again."""
    count, tones = codes.length(0), is_tone.cast("int64")
    index = graph.arange(0, count)
    other = index + 1 - (index % 2) * 2
    there, other = other < count, graph.op("Min", other, count - 1)
    lone = tones * (1 - _before(tones)) * (1 - _after(tones))
    joins = ~is_tone & (lone.take(other) > 0) & there & (rest <= power.take(other) * SPARE)
    own = _strongest(graph, codes)
    told = own.take(other)
    near = (own // N_LEVELS - told // N_LEVELS).abs() <= 1
    place = told // N_LEVELS * N_LEVELS
    taken = graph.concat([(place + graph.where(near, own % N_LEVELS, 0)).unsqueeze(1), place.unsqueeze(1)], 1)
    return is_tone | joins, graph.where(joins.unsqueeze(1), taken, codes)


def _strongest(graph: Graph, codes: Value) -> Value:
    first, second = (codes.part(which, which + 1, 1).squeeze(1) for which in (0, 1))
    return graph.where(second % N_LEVELS > first % N_LEVELS, second, first)


def tellable(graph: Graph, codes: Value, is_tone: Value) -> Value:
    """Codes of tones ``(N, 2)`` and which tokens ``(N,)`` are tones → those that single tokens can tell ``(N,)``."""
    down = (codes % N_LEVELS).max(1) * -1 + (N_LEVELS - 1)
    even, tones = graph.arange(0, codes.length(0)) % 2 < 1, is_tone.cast("int64")
    alone = even & ((down - ASSUMED_DOWN).abs() <= NEAR_ASSUMED)
    return is_tone & (alone | (_before(tones) + _after(tones) > 0))


def hints(graph: Graph, codes: Value, is_tone: Value) -> Value:
    """Codes of tones ``(N, 2)`` and which tokens ``(N,)`` are tones → hints ``(N,)``."""
    code = _strongest(graph, codes)
    own, level = code // N_LEVELS, code % N_LEVELS
    louder = _before(level * is_tone.cast("int64"))
    level = graph.where(louder > level + 1, louder, level)
    before = graph.where(_before(is_tone.cast("int64")) > 0, _before(own), own)
    cell, place = before // PARTS, graph.where((own - before).abs() < PARTS, own, before)
    part = (place - cell * PARTS).clip(0, PARTS - 1)
    detail = graph.constant(NEAREST).take(level) * PARTS + part + CELLS
    odd = graph.arange(0, code.length(0)) % 2 > 0
    return graph.where(odd, detail, own // PARTS)


def hinted(graph: Graph, hint: Value, is_tone: Value) -> tuple[Value, Value]:
    """Hints ``(N,)`` and which tokens are tones → those that can be drawn ``(N,)``, and their codes ``(2, N)``."""
    is_cell, is_detail = is_tone & (hint < CELLS), is_tone & (hint >= CELLS)
    cells, details = is_cell.cast("int64"), is_detail.cast("int64")
    cell = graph.where(is_cell, hint, graph.where(_before(cells) > 0, _before(hint), _after(hint)))
    detail = graph.where(is_detail, hint, graph.where(_after(details) > 0, _after(hint), _before(hint))) - CELLS
    known = details + _after(details) + _before(details) > 0
    detail = graph.where(known, detail, NO_DETAIL).clip(0, HINTS - CELLS - 1)
    down = graph.constant(np.array(STEPS_DOWN)).take(detail // PARTS)
    drawn = is_cell | (is_detail & (_before(cells) + _after(cells) > 0))
    place = graph.where(drawn, cell * PARTS + detail % PARTS, 0)
    level = graph.where(drawn, (N_LEVELS - 1) - down, 0)
    silent = place * N_LEVELS
    return drawn, graph.concat([(silent + level).unsqueeze(0), silent.unsqueeze(0)], 0)


def _before(values: Value) -> Value:
    """Those of the token before; the first one has none."""
    return values.pad(1, 0, 0, 1).part(0, -1)


def _after(values: Value) -> Value:
    """Those of the token behind; the last one has none."""
    return values.pad(0, 1, 0, 1).part(1, None)
