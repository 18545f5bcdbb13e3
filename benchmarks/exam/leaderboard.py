"""Every codec that was examined here, with its card: ``python -m benchmarks.exam.leaderboard`` writes ``docs/leaderboard.md``.

The cards lie in ``benchmarks/results/exam``; ``make exam`` puts its own there. A test holds the page against them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.exam.card import Card, Examined, best, read_card
from benchmarks.exam.columns import Column
from benchmarks.exam.markdown import cell, kbps, lead, notes, revision, table, title
from eval.markdown import table as markdown_table

ROOT = Path(__file__).parents[2]
CARDS, PAGE = ROOT / "benchmarks" / "results" / "exam", ROOT / "docs" / "leaderboard.md"
SHOWN = (
    *(("speech", key) for key in ("dwer", "speaker_similarity", "distillmos", "pesq_wb", "stoi", "visqol")),
    *(
        ("tones", "tones_kept"),
        ("music", "visqol"),
        ("sound", "visqol"),
        ("kept", "kept_noise30"),
        ("cost", "decode_multiply_adds"),
    ),
)
"""Columns of the first table of a card, of those that it has."""
HEAD = """# Leaderboard

Every codec that was examined here, by what it takes: `make exam` makes the cards, `python -m benchmarks.exam.leaderboard` this
page. There is no total: which row matters depends on what a codec is for.
[How it is measured](evaluation.md#one-card-for-any-codec)."""


def page(cards: Sequence[Card]) -> str:
    """The page, a part for each card."""
    return "\n\n".join([HEAD, *(_part(card) for card in cards)]) + "\n"


def _part(card: Card) -> str:
    source = card.provenance
    about = (
        f"{source.date[:10]}, semcodec {source.semcodec}{revision(card)}; {source.clips} clips, hash "
        f"{source.data_hash[:16]}; words heard by {card.asr}."
    )
    parts = [f"## {source.data}", about, lead(card), _headlines(card)]
    for group in card.columns:
        parts += [f"### {title(card, group)}", table(card, group)]
    missing = [f"- {name} was not measured: {why}" for name, why in card.missing.items()]
    parts += ["\n".join([*(f"- {note}" for note in notes(card)), *missing, *(f"- {line}" for line in card.problems)])]
    return "\n\n".join(parts)


def _headlines(card: Card) -> str:
    chosen = [(group, column) for group, key in SHOWN for column in card.columns.get(group, ()) if column.key == key]
    heads = [f"{_named(group, column)} {'↑' if column.better == 'higher' else '↓'}" for group, column in chosen]
    rows = []
    for codec in sorted(card.codecs, key=lambda codec: (not codec.anchor, codec.kbps or 0.0)):
        cells = [_short(card, codec, group, column) for group, column in chosen]
        rows.append([codec.name, kbps(codec), *cells])
    return markdown_table(["codec", "kbps", *heads], rows)


def _named(group: str, column: Column) -> str:
    words = {"kept": "tokens kept in 30 dB noise", "tones": "tones kept"}
    return words.get(group, f"{group}, {column.heading}" if group in ("music", "sound") else column.heading)


def _short(card: Card, codec: Examined, group: str, column: Column) -> str:
    """Without the interval, which stands in the tables below."""
    return cell(codec, group, column, codec.name in best(card.codecs, group, column)).partition(" ")[0]


if __name__ == "__main__":
    PAGE.write_text(page([read_card(path) for path in sorted(CARDS.glob("*.json"))]), "utf-8")
