"""Outlines of markers, so that pages draw what matplotlib draws in plots, and need no matplotlib for it."""

from __future__ import annotations

import math

Points = tuple[tuple[float, float], ...]

_CROSS: Points = ((-1, -3), (1, -3), (1, -1), (3, -1), (3, 1), (1, 1), (1, 3), (-1, 3), (-1, 1), (-3, 1), (-3, -1), (-1, -1))
_SALTIRE: Points = ((-1, -2), (0, -1), (1, -2), (2, -1), (1, 0), (2, 1), (1, 2), (0, 1), (-1, 2), (-2, 1), (-1, 0), (-2, -1))
_TRIANGLE: Points = ((0, -1), (-1, 1), (1, 1))
_SQUARE: Points = ((-1, -1), (1, -1), (1, 1), (-1, 1))
_STAR_INSIDE = 0.381966
"""Of a star's radius, where its arms meet."""


def outline(marker: str) -> Points:
    """Corners of one of matplotlib's markers, y downwards, within 1 of its middle or a little more.

    Example:
        >>> outline("^")
        ((0, -1), (-1, 1), (1, 1))
    """
    return _OUTLINES[marker]


def _regular(corners: int, turn: float = 0.0) -> Points:
    """A regular polygon with a corner on top, turned by so many radians."""
    angles = [2 * math.pi * i / corners + turn for i in range(corners)]
    return tuple((math.sin(angle), -math.cos(angle)) for angle in angles)


def _star() -> Points:
    radii = [1.0, _STAR_INSIDE] * 5
    return tuple((radius * x, radius * y) for radius, (x, y) in zip(radii, _regular(10), strict=True))


def _scaled(points: Points, across: float, up: float) -> Points:
    return tuple((across * x, up * y) for x, y in points)


def _quarter(points: Points, turns: int) -> Points:
    """Turned by quarters of a circle, clockwise."""
    for _ in range(turns):
        points = tuple((-y, x) for x, y in points)
    return points


_OUTLINES: dict[str, Points] = {
    "o": _regular(32),
    "s": _SQUARE,
    "D": _scaled(_regular(4), math.sqrt(2), math.sqrt(2)),
    "d": _scaled(_regular(4), 0.6 * math.sqrt(2), math.sqrt(2)),
    "^": _TRIANGLE,
    ">": _quarter(_TRIANGLE, 1),
    "v": _quarter(_TRIANGLE, 2),
    "<": _quarter(_TRIANGLE, 3),
    "p": _regular(5),
    "h": _regular(6),
    "H": _regular(6, math.pi / 6),
    "8": _regular(8, math.pi / 8),
    "*": _star(),
    "P": _scaled(_CROSS, 1 / 3, 1 / 3),
    "X": _scaled(_SALTIRE, 1 / 2, 1 / 2),
    "_": ((-1, 0), (1, 0)),
}
