"""Rate–distortion plots: bitrate across, a metric up, one line a codec, 95 % intervals as bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from benchmarks.sweep.labels import Label, place
from benchmarks.sweep.paper import CITATION, TABLE_II
from benchmarks.sweep.points import Line, lines, point_label
from codec.atomic import atomic_path
from codec.data.domains import DOMAINS, Domain
from codec.errors import CodecError
from eval.colours import colour_of, marker_of
from eval.dark_mode import write_svg
from eval.reconstruction.results import MetricInfo, Results
from eval.reconstruction.statistics import Interval
from eval.reconstruction.summary import Summary
from eval.reconstruction.titles import TITLES

HEADLINES: tuple[tuple[Domain, str], ...] = (("speech", "visqol"), ("speech", "wer"), ("music", "visqol"), ("sound", "visqol"))
"""Panels of the overview, of those that there are."""


@dataclass(frozen=True)
class Panel:
    """A plot of one metric on one domain.

    Attributes:
        domain: of the clips.
        metric: up the axis.
        clips: that it is over.
    """

    domain: Domain
    metric: MetricInfo
    clips: int

    @property
    def title(self) -> str:
        return f"{TITLES.get(self.metric.name, self.metric.name)} · {self.domain}"

    @property
    def axis(self) -> str:
        unit = f" ({self.metric.unit})" if self.metric.unit else ""
        better = "higher is better ↑" if self.metric.higher_is_better else "lower is better ↓"
        return f"{TITLES.get(self.metric.name, self.metric.name)}{unit}\n{better}"


def panels(results: Results, summaries: Sequence[Summary]) -> list[Panel]:
    """Every domain and metric that has a value."""
    found: dict[tuple[Domain, str], Panel] = {}
    for summary in summaries:
        for name, score in summary.scores.items():
            if score.mean is not None and summary.codec != "original":
                found[summary.domain, name] = Panel(summary.domain, results.metric(name), summary.clips)
    return list(found.values())


def draw_all(results: Results, summaries: Sequence[Summary], folder: Path, paper: bool) -> dict[Panel, str]:
    """Writes every panel as ``plots/DOMAIN-METRIC.svg`` and ``.png``, and the overview as ``overview.svg`` and ``.png``.

    Returns:
        SVG by panel.

    Raises:
        CodecError: matplotlib is not installed.
    """
    (folder / "plots").mkdir(parents=True, exist_ok=True)
    every = panels(results, summaries)
    drawn = {}
    console = Console(stderr=True)
    for panel in track(every, "drawing", console=console, transient=True, disable=not console.is_terminal):
        path = folder / "plots" / f"{panel.domain}-{panel.metric.name}"
        draw([panel], summaries, path, paper)
        drawn[panel] = path.with_suffix(".svg").read_text("utf-8")
    by_name = {(panel.domain, panel.metric.name): panel for panel in every}
    if chosen := [by_name[key] for key in HEADLINES if key in by_name] or every[:4]:
        draw(chosen, summaries, folder / "overview", paper)
    return drawn


def draw(chosen: Sequence[Panel], summaries: Sequence[Summary], path: Path, paper: bool) -> None:
    """Writes panels beside each other, two a row, with one legend below, as ``PATH.svg`` and ``PATH.png``."""
    pyplot = _pyplot()
    columns = min(2, len(chosen))
    width = 5.6 if columns == 2 else 5.2  # alone it is seen on phones, too
    rows = -(-len(chosen) // columns)
    styles = _styles(summaries)
    with pyplot.rc_context(_STYLE):
        figure, axes = pyplot.subplots(
            rows, columns, figsize=(width * columns, 4.0 * rows + 0.5), squeeze=False, layout="constrained"
        )
        for axis in axes.flat[len(chosen) :]:
            axis.set_visible(False)
        handles: dict[str, Any] = {}
        labels: list[list[Label]] = [[] for _ in chosen]
        for axis, panel, own in zip(axes.flat, chosen, labels, strict=False):
            handles |= _panel(axis, panel, summaries, styles, paper, own)
        figure.legend(
            handles.values(), handles.keys(), loc="outside lower center", ncols=min(len(handles), 4 if columns == 2 else 3)
        )
        figure.canvas.draw()  # where points lie on the page is known from now on
        for axis, own in zip(axes.flat, labels, strict=False):
            place(axis, own)
        write_svg(figure, path.with_name(f"{path.name}.svg"))
        with atomic_path(path.with_name(f"{path.name}.png")) as temporary:
            figure.savefig(temporary, dpi=160)
        pyplot.close(figure)


_STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 10.5,
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#888888",
    "axes.grid": True,
    "grid.color": "#E6E6E6",
    "legend.frameon": False,
    "text.parse_math": False,
}


def _styles(summaries: Sequence[Summary]) -> dict[str, tuple[str, str]]:
    """Colour and marker by label, the same in all of this project's pictures."""
    found: dict[str, tuple[str, str]] = {}
    for line in (line for domain in DOMAINS for line in lines(summaries, domain)):
        first = line.points[0].codec
        found.setdefault(line.label, (colour_of(first), marker_of(first)))
    return found


def _panel(
    axis: Any,
    panel: Panel,
    summaries: Sequence[Summary],
    styles: dict[str, tuple[str, str]],
    paper: bool,
    labels: list[Label],
) -> dict[str, Any]:
    axis.set_title(f"{panel.title}", pad=10)
    axis.set_xscale("log")
    axis.set_xlabel("kbps, measured")
    axis.set_ylabel(panel.axis)
    handles = {}
    ours = 0
    for line in lines(summaries, panel.domain):
        drawn = _line(axis, line, panel.metric.name, styles[line.label], line.ours and ours > 0, labels)
        if drawn is not None:
            handles[line.label] = drawn
            ours += line.ours
    original = next((s for s in summaries if s.codec == "original" and s.domain == panel.domain), None)
    score = original and original.scores.get(panel.metric.name)
    if score and score.mean is not None:
        handles["original, uncoded"] = axis.axhline(score.mean.value, color="#888888", linewidth=1.2, linestyle=":", zorder=1)
    if paper:
        handles |= _published(axis, panel)
    _ticks(axis)
    return handles


def _line(axis: Any, line: Line, metric: str, style: tuple[str, str], dashed: bool, labels: list[Label]) -> Any:
    """Draws the points of a codec that have a value, and adds their labels to those that are to be placed."""
    colour, marker = style
    points = [(point, point.scores[metric].mean) for point in line.points if metric in point.scores]
    known = [(point, mean) for point, mean in points if mean is not None]
    if not known:
        return None
    across, up = [point.kbps for point, _ in known], [mean.value for _, mean in known]
    spread = [[mean.value - _or(mean.low, mean) for _, mean in known], [_or(mean.high, mean) - mean.value for _, mean in known]]
    handle = axis.errorbar(
        across, up, yerr=spread, color=colour, marker=marker, markersize=8 if line.ours else 6.5,
        linewidth=2.6 if line.ours else 1.4, linestyle="--" if dashed else "-",
        elinewidth=1.1, capsize=2.5, zorder=4 if line.ours else 3, markeredgecolor="white", markeredgewidth=0.8,
    )  # fmt: skip
    labels += [Label(point_label(point.codec), point.kbps or 0.0, mean.value, colour, line.ours) for point, mean in known]
    return handle


def _or(end: float | None, interval: Interval) -> float:
    """The end of an interval, or its value where one clip gives no interval."""
    return interval.value if end is None else end


def _published(axis: Any, panel: Panel) -> dict[str, Any]:
    """The paper's own points, hollow, grey and dashed: measured on other clips."""
    handles = {}
    shades = {
        "SemantiCodec": "#222222",
        "DAC (retrained)": "#777777",
        "EnCodec": "#777777",
        "HiFi-Codec": "#777777",
        "DAC": "#777777",
    }
    for model, marker in zip(shades, ("o", "D", "s", "^", "v"), strict=True):
        rows = [(row.kbps, row.value(panel.domain, panel.metric.name)) for row in TABLE_II if row.model == model]
        known = [(kbps, value) for kbps, value in rows if value is not None]
        if known:
            [handle] = axis.plot(
                *zip(*known, strict=True), color=shades[model], marker=marker, linestyle="--", linewidth=1,
                markerfacecolor="white", markersize=5.5, alpha=0.8, zorder=2,
            )  # fmt: skip
            handles[f"{model} ‡"] = handle
    if handles:
        axis.annotate(
            f"‡ published on other clips: {CITATION}", (1, 0), xycoords="axes fraction", ha="right", va="bottom",
            xytext=(-2, 3), textcoords="offset points", fontsize=7.5, color="#777777",
        )  # fmt: skip
    return handles


def _ticks(axis: Any) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    low, high = axis.get_xlim()
    axis.set_xlim(low / 1.08, high * 1.12)
    axis.xaxis.set_major_locator(
        FixedLocator([t for t in (0.1, 0.2, 0.35, 0.7, 1.4, 3, 6, 12, 24, 48, 96) if low <= t <= high])
    )
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.margins(y=0.12)


def _pyplot() -> Any:
    try:
        import matplotlib
    except ImportError as error:
        raise CodecError("plots need matplotlib: pip install 'semcodec[plot]'") from error
    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot
