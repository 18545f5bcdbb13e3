"""All figures of results as plain text, and what failed."""

from __future__ import annotations

import io
from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from eval.reconstruction.results import MetricInfo, Results, Row
from eval.reconstruction.statistics import Interval
from eval.reconstruction.summary import Summary, metric_names
from eval.reconstruction.trained import footnotes, mark_of
from eval.reconstruction.usage import StreamUsage

CODEC_WIDTH, CELL_WIDTH, WIDTH = 58, 18, 200


def as_text(results: Results, summaries: Sequence[Summary], reference: str | None = None) -> str:
    """The figures of every domain with their intervals, with a reference the paired differences from it, and what failed.

    A dagger marks what a codec was trained with; why stands below.
    """
    text = io.StringIO()
    _show(results, summaries, reference, Console(file=text, width=WIDTH))
    lines = [line.rstrip() for line in text.getvalue().splitlines()]
    return "\n".join([*lines, *worth(results), *problems(results), ""])


def worth(results: Results) -> list[str]:
    """Why figures have a dagger, a line for each reason."""
    return footnotes([info.name for info in results.codecs], [info.name for info in results.metrics], asr_of(results))


def asr_of(results: Results) -> str:
    """The recogniser that heard the words."""
    return str(results.provenance.config.get("asr", ""))


def _show(results: Results, summaries: Sequence[Summary], reference: str | None, console: Console) -> None:
    asr = asr_of(results)
    at_once = max(1, (console.width - CODEC_WIDTH) // CELL_WIDTH)
    for domain in results.domains:
        infos = [results.metric(name) for name in metric_names(results, domain)]
        rows = [summary for summary in summaries if summary.domain == domain]
        for start in range(0, max(1, len(infos)), at_once):
            part = infos[start : start + at_once]
            console.print(_figures(rows, part, asr, f"{domain}, {rows[0].clips} clips"))
            if reference and part:
                compared = [row for row in rows if row.codec != reference]
                console.print(_differences(compared, part, asr, f"{domain}, codec minus {reference} on the same clips"))
        if any(row.streams for row in rows):
            console.print(_tokens([row for row in rows if row.streams], f"{domain}, use of codebooks, stream by stream"))


def each(values: Sequence[float], unit: str = "") -> str:
    """A figure for every stream of tokens; of many streams the lowest and the highest.

    Example:
        >>> each([81.2, 100], "%"), each([9, 8.5, 7, 9, 9.5, 8])
        ('81.2% 100.0%', '7.00 … 9.50')
    """
    if len(values) <= 4:
        return " ".join(number(value, unit) for value in values)
    return f"{number(min(values), unit)} … {number(max(values), unit)}"


def complain(results: Results) -> None:
    """Names on standard error what failed, and why."""
    console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    for problem in problems(results):
        console.print(problem)


def problems(results: Results) -> list[str]:
    """Everything that failed, with reasons, one line each; what failed alike is counted together."""
    found = [f"{codec} was not run: {reason}" for codec, reason in results.refused.items()]
    found += [f"{clip} cannot be read: {reason}" for clip, reason in results.unreadable.items()]
    alike: dict[tuple[str, str], list[Row]] = {}
    for row in results.rows:
        if row.error:
            alike.setdefault((f"{row.codec} failed", row.error), []).append(row)
        for metric, reason in row.failed.items():
            alike.setdefault((f"{metric} has no value", reason), []).append(row)
    return found + [f"{what} on {_where(rows)}: {reason}" for (what, reason), rows in alike.items()]


def _where(rows: Sequence[Row]) -> str:
    clips, codecs = (list(dict.fromkeys(values)) for values in ([row.clip for row in rows], [row.codec for row in rows]))
    which = f"clip {clips[0]}" if len(clips) == 1 else f"{len(clips)} clips ({clips[0]}, …)"
    return (
        which
        if len(codecs) == 1 and codecs[0] == rows[0].codec and len(rows) == len(clips) and rows[0].error
        else (f"{which} of {codecs[0] if len(codecs) == 1 else f'{len(codecs)} codecs'}")
    )


def number(value: float, unit: str = "") -> str:
    """Three digits that matter, and no more than three after the point.

    Example:
        >>> number(0.8123), number(3.456), number(12.34), number(25.03, "%")
        ('0.812', '3.46', '12.3', '25.0%')
    """
    size = round(abs(value), 3)
    digits = 3 if size < 1 else 2 if size < 10 else 1
    value = round(value, 1 if unit == "%" else digits) + 0.0  # −0.0 becomes 0.0
    return f"{value:.1f}%" if unit == "%" else f"{value:.{digits}f}"


def _figures(rows: Sequence[Summary], infos: Sequence[MetricInfo], asr: str, title: str) -> Table:
    table = _table(title, infos, "kbps", "enc ×", "dec ×", "failed")
    for row in rows:
        cells = []
        for info in infos:
            score, mark = row.scores[info.name], mark_of(row.codec, info.name, asr)
            cells.append(_cell(score.mean, info, mark, f"{score.failed} failed" if score.failed else ""))
        coded = row.codec != "original"
        kbps = number(row.kbps) if row.kbps is not None and coded else "–"
        speeds = [f"{speed:.0f}" if speed is not None and coded else "–" for speed in (row.encode_speed, row.decode_speed)]
        table.add_row(row.codec, *cells, kbps, *speeds, str(row.failed))
    return table


def _differences(rows: Sequence[Summary], infos: Sequence[MetricInfo], asr: str, title: str) -> Table:
    table = _table(title, infos)
    for row in rows:
        marks = [mark_of(row.codec, info.name, asr) for info in infos]
        found = [row.scores[info.name].difference for info in infos]
        table.add_row(row.codec, *(_cell(*cell, signed=True) for cell in zip(found, infos, marks, strict=True)))
    return table


def _tokens(rows: Sequence[Summary], title: str) -> Table:
    table = _table(title, (), "tokens", "of", "used", "entropy, bits")
    for row in rows:
        table.add_row(row.codec, *token_cells(row.streams))
    return table


def token_cells(streams: Sequence[StreamUsage]) -> list[str]:
    """How many tokens, out of which codebooks, the share of these that occurred, and the tokens' entropy."""
    sizes = [stream.codebook_size for stream in streams]
    return [
        str(sum(stream.tokens for stream in streams)),
        " ".join(map(str, sizes)) if len(sizes) <= 4 else f"{len(sizes)} × {sizes[0]}",
        each([100 * stream.used for stream in streams], "%"),
        each([stream.entropy for stream in streams]),
    ]


def _table(title: str, infos: Sequence[MetricInfo], *more: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD)
    table.add_column("codec", no_wrap=True)
    for info in infos:
        table.add_column(f"{info.name} {'↑' if info.higher_is_better else '↓'}", justify="right", no_wrap=True)
    for name in more:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _cell(interval: Interval | None, info: MetricInfo, mark: str, note: str = "", signed: bool = False) -> str:
    lines = ["–"]
    if interval is not None:
        lines = [("+" if signed and interval.value > 0 else "") + number(interval.value, info.unit) + mark]
        if interval.low is not None and interval.high is not None:
            lines.append(f"{number(interval.low, info.unit)} … {number(interval.high, info.unit)}")
    return "\n".join([*lines, *filter(None, [note])])
