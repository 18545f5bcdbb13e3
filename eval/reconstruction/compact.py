"""Results on a terminal: one table that fits its width, a line a codec; all the rest is in files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from codec.data.domains import Domain
from eval.reconstruction.results import MetricInfo, Results
from eval.reconstruction.show import asr_of, number, problems
from eval.reconstruction.summary import Summary, metric_names
from eval.reconstruction.titles import TITLES
from eval.reconstruction.trained import footnotes, mark_of

CELL_WIDTH = 10
PIPE_WIDTH = 120
MOST_PROBLEMS = 5


@dataclass(frozen=True)
class _Column:
    domain: Domain
    metric: MetricInfo


def print_compact(results: Results, summaries: Sequence[Summary], console: Console | None = None) -> None:
    """Means of the foremost metrics, every domain in turn, as many as fit.

    The best of a column is bold; what a codec was trained with is marked, with the reason below, and is never the best.
    """
    asr = asr_of(results)
    console = console or Console()
    width = console.width if console.is_terminal else PIPE_WIDTH
    codecs = list(dict.fromkeys(summary.codec for summary in summaries))
    longest = max(map(len, codecs), default=0)
    columns = _chosen(results, summaries, max(1, (width - longest - 14) // CELL_WIDTH))
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("codec", overflow="fold")
    table.add_column("kbps", justify="right", no_wrap=True)
    for column in columns:
        title = TITLES.get(column.metric.name, column.metric.name)
        arrow = "↑" if column.metric.higher_is_better else "↓"
        table.add_column(f"{column.domain}\n{title} {arrow}", justify="right", max_width=CELL_WIDTH + 6)
    by_key = {(summary.codec, summary.domain): summary for summary in summaries}
    for codec in codecs:
        kbps = next((s.kbps for s in summaries if s.codec == codec and s.kbps is not None), None)
        cells = [_cell(by_key.get((codec, column.domain)), column, summaries, asr) for column in columns]
        table.add_row(escape(codec), "–" if kbps is None or codec == "original" else number(kbps), *cells)
    console.print(table, highlight=False)
    for line in footnotes(codecs, {column.metric.name for column in columns}, asr):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _chosen(results: Results, summaries: Sequence[Summary], room: int) -> list[_Column]:
    """The first metric of every domain, then their second ones, …; those without any value are left out."""
    known = {
        (summary.domain, name)
        for summary in summaries
        if summary.codec != "original"
        for name, score in summary.scores.items()
        if score.mean is not None
    }
    queues = [
        [_Column(domain, results.metric(name)) for name in metric_names(results, domain) if (domain, name) in known]
        for domain in results.domains
    ]
    ranked = [queue[rank] for rank in range(max(map(len, queues), default=0)) for queue in queues if rank < len(queue)]
    kept = ranked[:room]
    return [column for queue in queues for column in queue if column in kept]


def _cell(summary: Summary | None, column: _Column, summaries: Sequence[Summary], asr: str) -> str:
    value = _mean(summary, column)
    if value is None or summary is None:
        return "–"
    known = [
        other
        for s in summaries
        if s.domain == column.domain and _competes(s, column, asr) and (other := _mean(s, column)) is not None
    ]
    text = number(value, column.metric.unit) + mark_of(summary.codec, column.metric.name, asr)
    best = _competes(summary, column, asr) and value == (max(known) if column.metric.higher_is_better else min(known))
    return f"[bold]{text}[/bold]" if best else text


def _competes(summary: Summary, column: _Column, asr: str) -> bool:
    return summary.codec != "original" and not mark_of(summary.codec, column.metric.name, asr)


def _mean(summary: Summary | None, column: _Column) -> float | None:
    score = summary.scores.get(column.metric.name) if summary is not None else None
    return score.mean.value if score is not None and score.mean is not None else None


def print_problems(results: Results, where: str) -> None:
    """The first few things that failed, and where the others are listed."""
    console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    found = problems(results)
    for problem in found[:MOST_PROBLEMS]:
        console.print(problem)
    if len(found) > MOST_PROBLEMS:
        console.print(f"… and {len(found) - MOST_PROBLEMS} more, in {where}")
