"""Labels of points that do not lie on each other: each takes the first place around its point that is free."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

PLACES = (
    *((-4, 8, "right"), (4, -13, "left"), (6, 6, "left"), (-6, -14, "right"), (0, 12, "center"), (0, -20, "center")),
    *((10, -4, "left"), (-10, -4, "right"), (0, 22, "center"), (0, -30, "center"), (18, 12, "left"), (-18, 14, "right")),
)
"""Around a point: across, up, in points, and how the text is aligned."""
POINT = 5.0
"""Half the width of a marker, in pixels, that a label keeps clear."""


@dataclass(frozen=True)
class Label:
    """The label of a point.

    Attributes:
        text: to write.
        x, y: of the point, in the axes' own units.
        colour: of the text.
        strong: larger and bold.
    """

    text: str
    x: float
    y: float
    colour: str
    strong: bool


def place(axis: Any, labels: Sequence[Label]) -> list[Any]:
    """Writes labels beside their points, once the figure has been laid out.

    Args:
        axis: whose figure has been drawn.
        labels: the most important first.

    Returns:
        The texts, in the same order.
    """
    from matplotlib.transforms import Bbox

    renderer = axis.figure.canvas.get_renderer()
    centres = axis.transData.transform([(label.x, label.y) for label in labels]) if labels else []
    taken = [Bbox.from_bounds(x - POINT, y - POINT, 2 * POINT, 2 * POINT) for x, y in centres]
    texts = []
    for label in labels:
        text = _free(axis, label, taken, renderer)
        taken.append(text.get_window_extent(renderer))
        texts.append(text)
    return texts


def _free(axis: Any, label: Label, taken: Sequence[Any], renderer: Any) -> Any:
    """A text in the first place that is free and inside the axes; in the first of all where none is."""
    inside = axis.get_window_extent(renderer)
    for across, up, side in PLACES:
        text = _write(axis, label, across, up, side)
        box = text.get_window_extent(renderer)
        within = inside.x0 <= box.x0 and box.x1 <= inside.x1 and inside.y0 <= box.y0 and box.y1 <= inside.y1
        if within and not any(box.overlaps(other) for other in taken):
            return text
        text.remove()
    return _write(axis, label, *PLACES[0])


def _write(axis: Any, label: Label, across: int, up: int, side: str) -> Any:
    from matplotlib.patheffects import withStroke

    text = axis.annotate(
        label.text, (label.x, label.y), xytext=(across, up), textcoords="offset points", color=label.colour, ha=side,
        fontsize=9.5 if label.strong else 8.5, fontweight="bold" if label.strong else "normal", zorder=5,
        path_effects=[withStroke(linewidth=2.5, foreground="white")],
    )  # fmt: skip
    text.set_in_layout(False)
    return text
