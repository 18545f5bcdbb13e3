"""The exam's tables: one for each kind of material, codecs in rows, as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.winners import COLUMNS, winners
from eval.markdown import table as markdown_table
from eval.reconstruction.interface import Scores
from eval.reconstruction.results import MetricInfo, Results, Row
from eval.reconstruction.show import number
from eval.reconstruction.statistics import Interval, summarise
from eval.reconstruction.tones import KEPT_DB, KEPT_PERCENT
from eval.reconstruction.trained import mark_of

PERCENT = "%"


def heading(metric: str) -> str:
    """The heading of a column, with the unit where figures are shown without it.

    Example:
        >>> heading("wer"), heading("added_lines")
        ('WER', 'drawn lines, dB')
    """
    column = COLUMNS[metric]
    return column.heading if column.unit in ("", PERCENT) else f"{column.heading}, {column.unit}"


def shown_unit(metric: str) -> str:
    """What stands behind figures: % or nothing."""
    return PERCENT if COLUMNS[metric].unit == PERCENT else ""


@dataclass(frozen=True)
class Figures:
    """The figures of one codec on one kind of material.

    Attributes:
        codec: its name.
        group: kind of material.
        kbps: measured.
        clips: that it was run on.
        failed: clips on which the codec itself failed.
        means: by metric; None where it has no value on any clip.
    """

    codec: str
    group: str
    kbps: float
    clips: int
    failed: int
    means: dict[str, Interval | None]


def figures(group: str, results: Results, metrics: Sequence[str]) -> list[Figures]:
    """One for each codec that was run, in the order of the run."""
    found = []
    for codec in results.codecs:
        rows = [row for row in results.rows if row.codec == codec.name]
        done = [row for row in rows if row.error is None]
        scores = {row.clip: Scores(row.values, row.failed) for row in done}
        means = {name: _mean(results.metric(name), scores) for name in metrics}
        seconds = sum(row.seconds for row in done)
        kbps = sum(row.bits or 0 for row in done) / max(seconds, 1e-9) / 1000
        found.append(Figures(codec.name, group, kbps, len(rows), len(rows) - len(done), means))
    return found


def _mean(metric: MetricInfo, scores: Mapping[str, Scores]) -> Interval | None:
    return summarise(metric, dict(scores))


def table(group: Sequence[Figures], metrics: Sequence[str], asr: str = "") -> str:
    """Markdown; bold is the best of a column, † what the row's model was trained with, words heard by ``asr`` among it."""
    first = {name: winners(name, {row.codec: _value(row, name) for row in group}, asr) for name in metrics}
    rows = []
    for row in group:
        cells = [_cell(row.means[name], name, row.codec, asr, row.codec in first[name]) for name in metrics]
        failed = f" ({row.failed} of {row.clips} clips failed)" if row.failed else ""
        kbps = "–" if row.codec == "original" else f"{row.kbps:.2f}"
        rows.append([f"{row.codec}{failed}", kbps, *cells])
    return markdown_table(["codec", "kbps", *map(heading, metrics)], rows)


def _value(row: Figures, name: str) -> float | None:
    mean = row.means[name]
    return None if mean is None else mean.value


def _cell(mean: Interval | None, name: str, codec: str, asr: str, best: bool) -> str:
    if mean is None:
        return "–"
    text = number(mean.value, shown_unit(name)) + mark_of(codec, name, asr)
    return f"**{text}**" if best else text


def tone_table(rows: Sequence[Row], codecs: Sequence[str]) -> str:
    """Markdown: how many tones each codec keeps, and what it does to the one that it treats worst."""
    lines = [
        "| codec | kept (6 dB, 1 %) | median level, dB | worst level, dB | worst frequency, % | drawn lines, dB | not kept |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for codec in codecs:
        own = [row for row in rows if row.codec == codec and "tone_level" in row.values]
        if not own:
            continue
        levels, shifts, drawn = (
            np.array([row.values[key] for row in own]) for key in ("tone_level", "tone_frequency", "added_lines")
        )
        kept = (np.abs(levels) <= KEPT_DB) & (shifts <= KEPT_PERCENT)
        lost = ", ".join(row.clip.removeprefix("tone/") for row, ok in zip(own, kept, strict=True) if not ok)
        worst = levels[np.abs(levels).argmax()]
        lines.append(
            f"| {codec} | {kept.sum()} of {len(own)} | {np.median(levels):.1f} | {worst:.1f} | {shifts.max():.1f} "
            f"| {np.median(drawn):.1f} | {lost or '–'} |"
        )
    return "\n".join(lines)
