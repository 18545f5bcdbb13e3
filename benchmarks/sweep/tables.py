"""One table a domain: every codec, every metric with its interval, speed, and what failed; as Markdown and for the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from benchmarks.sweep.points import OURS
from codec.data.domains import Domain
from eval.markdown import table_row
from eval.reconstruction.results import MetricInfo, Results
from eval.reconstruction.show import asr_of, number, token_cells
from eval.reconstruction.statistics import Interval
from eval.reconstruction.summary import Summary, metric_names
from eval.reconstruction.titles import TITLES
from eval.reconstruction.trained import mark_of

HEADER = ("codec", "kbps")
USAGE = ("codec", "tokens", "codebooks", "used", "entropy, bits")
NOTHING = "–"
FOOTER = ("encode", "decode", "memory", "failed")


@dataclass(frozen=True)
class Cell:
    """A figure.

    Attributes:
        text: the figure itself.
        interval: 95 %, or empty.
        note: clips on which the metric failed, or empty.
        best: no other codec of the table has a better one; the original and what is marked do not take part.
    """

    text: str
    interval: str = ""
    note: str = ""
    best: bool = False


@dataclass(frozen=True)
class TableRow:
    """A codec on one domain.

    Attributes:
        codec: its name.
        ours: this project's.
        cells: one for each column after the first.
    """

    codec: str
    ours: bool
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Table:
    """All codecs on one domain.

    Attributes:
        domain: of the clips.
        clips: that it is over.
        columns: titles.
        rows: one a codec.
    """

    domain: Domain
    clips: int
    columns: tuple[str, ...]
    rows: tuple[TableRow, ...]


def build_tables(results: Results, summaries: Sequence[Summary]) -> list[Table]:
    """One for each domain that has clips; a dagger marks what a codec was trained with."""
    tables, asr = [], asr_of(results)
    for domain in results.domains:
        metrics = [results.metric(name) for name in metric_names(results, domain)]
        chosen = [summary for summary in summaries if summary.domain == domain]
        columns = (*HEADER, *(_title(metric) for metric in metrics), *FOOTER)
        rows = tuple(TableRow(s.codec, s.codec.partition("@")[0] == OURS, _cells(s, metrics, chosen, asr)) for s in chosen)
        tables.append(Table(domain, max((s.clips for s in chosen), default=0), columns, rows))
    return tables


def build_differences(results: Results, summaries: Sequence[Summary], reference: str) -> list[Table]:
    """Paired differences from one codec, in the metrics' own units; only codecs and metrics that have one."""
    tables, asr = [], asr_of(results)
    for domain in results.domains:
        metrics = [results.metric(name) for name in metric_names(results, domain)]
        chosen = [s for s in summaries if s.domain == domain and any(score.difference for score in s.scores.values())]
        rows = tuple(
            TableRow(s.codec, s.codec.partition("@")[0] == OURS,
                     tuple(_marked(_interval(s.scores[m.name].difference, m, signed=True), s, m, asr) for m in metrics))
            for s in chosen
        )  # fmt: skip
        if rows:
            columns = (f"minus {reference}", *(_title(metric) for metric in metrics))
            tables.append(Table(domain, max(s.clips for s in chosen), columns, rows))
    return tables


def build_usage(results: Results, summaries: Sequence[Summary]) -> list[Table]:
    """How much of their codebooks codecs of tokens use, stream by stream."""
    tables = []
    for domain in results.domains:
        chosen = [s for s in summaries if s.domain == domain and s.streams]
        rows = tuple(
            TableRow(s.codec, s.codec.partition("@")[0] == OURS, tuple(Cell(text) for text in token_cells(s.streams)))
            for s in chosen
        )
        if rows:
            tables.append(Table(domain, max(s.clips for s in chosen), USAGE, rows))
    return tables


def markdown(tables: Sequence[Table]) -> str:
    """Every table under a heading; a figure is followed by its interval."""
    parts = []
    for table in tables:
        lines = [f"### {table.domain.capitalize()} ({table.clips} clips)", "", table_row(table.columns)]
        lines.append(table_row(["---", *["--:"] * (len(table.columns) - 1)]))
        for row in table.rows:
            name = _escaped(row.codec)
            cells = [" ".join(filter(None, (_bold(c), c.interval, c.note and f"({c.note})"))) for c in row.cells]
            lines.append(table_row([name, *cells]))
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _bold(cell: Cell) -> str:
    return f"**{cell.text}**" if cell.best else cell.text


def _title(metric: MetricInfo) -> str:
    arrow = "↑" if metric.higher_is_better else "↓"
    unit = f", {metric.unit}" if metric.unit and metric.unit not in ("%", "MOS") else ""
    return f"{TITLES.get(metric.name, metric.name)}{unit} {arrow}"


def _mean(summary: Summary, metric: MetricInfo, asr: str) -> float | None:
    """A mean that may be the best: neither the original's nor one that its codec was trained with."""
    score = summary.scores.get(metric.name)
    if score is None or score.mean is None or summary.codec == "original" or mark_of(summary.codec, metric.name, asr):
        return None
    return score.mean.value


def _is_best(summary: Summary, metric: MetricInfo, others: Sequence[Summary], asr: str) -> bool:
    known = [value for other in others if (value := _mean(other, metric, asr)) is not None]
    own = _mean(summary, metric, asr)
    return own is not None and len(known) > 1 and own == (max(known) if metric.higher_is_better else min(known))


def _cells(summary: Summary, metrics: Sequence[MetricInfo], others: Sequence[Summary], asr: str) -> tuple[Cell, ...]:
    cells = [Cell("–" if summary.kbps is None or summary.codec == "original" else number(summary.kbps))]
    for metric in metrics:
        score = summary.scores.get(metric.name)
        found = _interval(score.mean if score else None, metric, f"{score.failed} failed" if score and score.failed else "")
        cells.append(replace(_marked(found, summary, metric, asr), best=_is_best(summary, metric, others, asr)))
    coded = summary.codec != "original"
    cells += [Cell(f"{speed:.0f} ×" if speed and coded else "–") for speed in (summary.encode_speed, summary.decode_speed)]
    cells.append(Cell(f"{summary.peak_memory / 1e6:.0f} MB" if summary.peak_memory and coded else "–"))
    return (*cells, Cell(f"{summary.failed} of {summary.clips}" if summary.failed else "0"))


def _marked(cell: Cell, summary: Summary, metric: MetricInfo, asr: str) -> Cell:
    return cell if cell.text == NOTHING else replace(cell, text=cell.text + mark_of(summary.codec, metric.name, asr))


def _interval(interval: Interval | None, metric: MetricInfo, note: str = "", signed: bool = False) -> Cell:
    if interval is None:
        return Cell(NOTHING, note=note)
    sign = "+" if signed and interval.value > 0 else ""
    ends = (
        ""
        if interval.low is None or interval.high is None
        else f"[{number(interval.low, metric.unit)}, {number(interval.high, metric.unit)}]"
    )
    return Cell(sign + number(interval.value, metric.unit), ends, note)


def _escaped(text: str) -> str:
    """A name that cannot end its cell or become a tag."""
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
