"""A card as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.exam.card import Card, Examined, best, value_of
from benchmarks.exam.columns import Column
from benchmarks.exam.opening import ORIGINAL
from eval.markdown import table as markdown_table
from eval.reconstruction.show import number
from eval.reconstruction.trained import DAGGER

TITLES = {
    **{"kept": "Tokens that stay", "first": "Tokens of the first stream that stay", "edits": "Edits between token sequences"},
    "language": "Language of tokens",
    "cost": "Cost",
}
ARROWS = {"higher": "↑", "lower": "↓", "original": "="}


def markdown(card: Card) -> str:
    """Tables of every kind, what the marks mean, what failed, and where it comes from."""
    source = card.provenance
    parts = [f"# Exam of {', '.join(examined_names(card))}", "", lead(card), ""]
    for group in card.columns:
        parts += [f"## {title(card, group)}", "", table(card, group), ""]
    parts += [*(f"- {note}" for note in notes(card)), ""]
    if card.missing or card.problems:
        parts += ["## What is not in it", "", *(f"- {name} was not measured: {why}" for name, why in card.missing.items())]
        parts += [*(f"- {line}" for line in card.problems), ""]
    parts += [
        "## Where it comes from",
        "",
        f"semcodec {source.semcodec}{revision(card)}; {source.data}, {source.clips} clips, hash "
        f"{source.data_hash[:16]}; words heard by {card.asr}; seed {source.seed}; Python {source.python} on {source.machine}; "
        f"{source.date}.",
        "",
        "\n".join(f"- {codec.name}: version {codec.version}" for codec in card.codecs if not codec.anchor),
    ]
    return "\n".join(parts) + "\n"


def revision(card: Card) -> str:
    """The revision of the source, to be put behind the version, where it is known."""
    commit, plus, changes = (card.provenance.revision or "").partition("+")
    return f", revision {commit[:12]}{plus}{changes}" if commit else ""


def examined_names(card: Card) -> list[str]:
    """Without the sound itself and noise."""
    return [codec.name for codec in card.codecs if not codec.anchor]


def lead(card: Card) -> str:
    """What the figures are."""
    quick = " This is the quick exam: few clips, not all metrics." if card.quick else ""
    return (
        "Means over clips with 95 % bootstrap intervals; **bold** is best of its column, the original, noise and what is "
        "marked aside; ↑ higher is better, ↓ lower, = nearest the original's. "
        f"{DAGGER} marks what a codec was trained with, or nearly so: "
        f"no evidence for it.{quick}"
    )


def title(card: Card, group: str) -> str:
    """The title of a table."""
    name = TITLES.get(group, group.capitalize())
    return f"{name}: {card.clips[group]} clips, {card.seconds[group]:.0f} s" if group in card.clips else name


def table(card: Card, group: str) -> str:
    """The table of one kind of figures, with a row for each codec."""
    columns = card.columns[group]
    rows = []
    winners = {column.key: best(card.codecs, group, column) for column in columns}
    for codec in card.codecs:
        if all(value_of(codec, group, column.key) is None for column in columns):
            continue
        cells = [cell(codec, group, column, codec.name in winners[column.key]) for column in columns]
        rows.append([codec.name.replace("|", "\\|"), kbps(codec), *cells])
    return markdown_table(["codec", "kbps", *(f"{c.heading} {ARROWS[c.better]}" for c in columns)], rows)


def kbps(codec: Examined) -> str:
    """Measured, or a dash."""
    return "–" if codec.kbps is None else f"{codec.kbps:.2f}"


def cell(codec: Examined, group: str, column: Column, bold: bool) -> str:
    """A figure with its interval and marks."""
    value = value_of(codec, group, column.key)
    if value is None:
        return "–"
    text = number(value, column.unit) if column.unit == "%" else number(value)
    figure = codec.figures.get(group, {}).get(column.key)
    mark = DAGGER if figure and figure.trained_with else ""
    text = f"**{text}**{mark}" if bold else text + mark
    if figure is None:
        return text
    if figure.low is not None and figure.high is not None:
        text += f" [{number(figure.low, column.unit)}, {number(figure.high, column.unit)}]"
    return text + (f" ({figure.failed} failed)" if figure.failed and codec.name != ORIGINAL else "")


def notes(card: Card) -> Sequence[str]:
    """What columns mean, how opponents came about, and why daggers stand where they do."""
    meanings = {column.heading: column.about for columns in card.columns.values() for column in columns if column.about}
    found = [f"*{heading}*: {about}." for heading, about in meanings.items()]
    found += [f"{codec.name}: {codec.history}." for codec in card.codecs if codec.history]
    for codec in card.codecs:
        reasons: dict[str, list[str]] = {}
        for group, figures in codec.figures.items():
            heads = {column.key: column.heading for column in card.columns[group]}
            for key, figure in figures.items():
                if figure.trained_with and heads[key] not in reasons.setdefault(figure.trained_with, []):
                    reasons[figure.trained_with].append(heads[key])
        if reasons:
            listed = "; ".join(f"{', '.join(what)}: {why}" for why, what in reasons.items())
            found.append(f"{DAGGER} {codec.name}: {listed}.")
    return found
