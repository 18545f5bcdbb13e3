"""Plots that follow the reader's system: by night they have the colours of a dark page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from codec.atomic import atomic_path

_DARK = {
    **{"#ffffff": "#1c2127", "#888888": "#7f8893", "#e6e6e6": "#343b43", "#dddddd": "#343b43"},
    **{"#0072b2": "#56b4e9", "#555555": "#a2abb5", "#222222": "#d0d5db", "#777777": "#99a2ac", "#666666": "#99a2ac"},
}
KEPT_WHITE, KEPT_BLACK = "#fefefe", "#010101"
"""Of words on colours that stay by night, too."""


def write_svg(figure: Any, path: Path) -> None:
    """Writes a figure of matplotlib's; the same figure gives the same file."""
    from matplotlib import rc_context

    with rc_context({"svg.hashsalt": "semcodec"}), atomic_path(path) as temporary:
        figure.savefig(temporary, format="svg", metadata={"Date": None})
        temporary.write_text(follow_dark_mode(temporary.read_text("utf-8")), "utf-8")


def follow_dark_mode(svg: str) -> str:
    """Gives a figure of matplotlib's the colours of a dark page where the reader's system asks for one.

    Its colours stand in style attributes, which nothing but ``!important`` overrules.
    """
    rules = [f'[style*="{kind}: {old}"]{{{kind}:{new}!important}}' for old, new in _DARK.items() for kind in ("fill", "stroke")]
    rules.append('g[id^="text_"]{fill:#e8eaed}')
    rules.append('[style*="stroke: #000000"]{stroke:#e8eaed!important}')
    style = f"<style>@media (prefers-color-scheme: dark){{{''.join(rules)}}}</style>"
    return re.sub(r"(<svg\b[^>]*>)", lambda match: match[1] + style, svg, count=1)
