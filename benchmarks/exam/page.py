"""A card as one page that needs nothing else: profiles on top, players, tables that scroll, and where it all comes from."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.exam.card import Card, best, value_of
from benchmarks.exam.markdown import ARROWS, cell, examined_names, kbps, lead, notes, title
from benchmarks.exam.profile import LABEL, ROW, TOP, WIDTH, bands
from benchmarks.sweep.listening import Example
from benchmarks.sweep.report import shown, template_of
from eval.colours import path_of, svg_of

HERE = Path(__file__).parent
SHARED = HERE.parent / "sweep"
"""Where players and the look of reports lie."""


@dataclass(frozen=True)
class Cell:
    """A cell of a table: a figure, its interval in brackets, and whether it is the best of its column."""

    text: str
    interval: str
    best: bool


@dataclass(frozen=True)
class Line:
    """A codec in a table."""

    codec: str
    anchor: bool
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Table:
    """The table of one kind of figures."""

    key: str
    title: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]


def render(card: Card, examples: Sequence[Example]) -> str:
    """The page. Everything in it is escaped, and its content security policy lets nothing in from outside.

    Raises:
        CodecError: jinja2 is not installed.
    """
    template = template_of("card.html.j2", HERE)
    style = (SHARED / "report.css").read_text("utf-8") + (HERE / "card.css").read_text("utf-8")
    script = (SHARED / "report.js").read_text("utf-8")
    return template.render(
        card=card,
        names=examined_names(card),
        lead=lead(card).replace("**", ""),
        notes=[note.replace("*", "") for note in notes(card)],
        provenance=card.provenance,
        bands=bands(card),
        shape=path_of,
        sign=svg_of,
        geometry={"row": ROW, "label": LABEL, "width": WIDTH, "top": TOP},
        tables=[_table(card, group) for group in card.columns],
        examples=[shown(example) for example in examples],
        style=style,
        script=script,
        style_hash=_hash(style),
        script_hash=_hash(script),
    )


def _table(card: Card, group: str) -> Table:
    columns = card.columns[group]
    winners = {column.key: best(card.codecs, group, column) for column in columns}
    lines = []
    for codec in card.codecs:
        if any(value_of(codec, group, column.key) is not None for column in columns):
            cells = [Cell(kbps(codec), "", False)]
            for column in columns:
                text, _, ends = cell(codec, group, column, False).partition(" ")
                cells.append(Cell(text, ends, codec.name in winners[column.key]))
            lines.append(Line(codec.name, codec.anchor, tuple(cells)))
    heads = ("kbps", *(f"{column.heading} {ARROWS[column.better]}" for column in columns))
    return Table(group, title(card, group), heads, tuple(lines))


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
