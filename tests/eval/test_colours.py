"""Markers on pages are those of matplotlib's plots."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.markers import MarkerStyle

from eval.colours import FAMILIES, MARKERS, colour_of, marker_of, svg_of
from eval.outlines import outline


@pytest.mark.parametrize("marker", sorted(set(MARKERS.values())))
def test_outlines_are_matplotlibs(marker: str) -> None:
    style = MarkerStyle(marker)
    [drawn, *_] = style.get_path().transformed(style.get_transform()).to_polygons(closed_only=False)
    theirs, ours = 2 * np.asarray(drawn) * (1, -1), np.asarray(outline(marker))
    for ends in (np.min, np.max):
        assert ends(ours, axis=0) == pytest.approx(ends(theirs, axis=0), abs=0.03)
    assert _area(ours) == pytest.approx(_area(theirs), abs=0.03)


def _area(points: np.ndarray) -> float:
    x, y = points.T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


def test_an_element_has_nothing_of_the_name() -> None:
    assert svg_of('<script>"x"') == svg_of('<script>"x"@3')
    assert "script" not in svg_of('<script>"x"')
    assert colour_of("opus@6") in svg_of("opus@12")
    assert {marker_of(name) for name in FAMILIES} <= set(MARKERS.values())
