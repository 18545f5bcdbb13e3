"""Plots of probe results: a heat map over tasks, and bars of averages beside bitrates."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.semantics.tables import OURS
from codec.errors import CodecError
from eval.colours import GREY, colour_of, marker_of
from eval.dark_mode import KEPT_BLACK, KEPT_WHITE, write_svg
from eval.semantics.scores import HEADS, Results, Score, is_variant

MOST_ROWS = 24
"""Of a heat map."""
_SHADES = dict(zip(HEADS, (1.0, 0.45), strict=True))
"""Of an embedder's colour, by what judges it."""
SHOWN_RATE = "semcodec@50"
"""Of our tokens, one row a stream is drawn: at this rate where there is one."""


def draw(results: Results, folder: Path) -> dict[str, str]:
    """Draws what there is.

    Returns:
        File names by suite and kind.

    Raises:
        CodecError: matplotlib is missing.
    """
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise CodecError("plots need matplotlib: pip install 'semcodec[plot]', or --no-plots") from error
    mpl.use("Agg")
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, str] = {}
    for suite in dict.fromkeys(score.suite for score in results.scores):
        scores = [s for s in results.scores if s.suite == suite and s.mode == "corrected" and s.head != "majority"]
        scores = [s for s in scores if not is_variant(s.embedder)]
        if not scores:
            continue
        if complete(scores):
            files[f"{suite} bars"] = f"probe-{suite}-bars.svg"
            _bars(scores, folder / files[f"{suite} bars"])
        knn = [score for score in scores if score.head == "knn"] or scores
        if len({score.task for score in knn}) > 2:
            files[f"{suite} heatmap"] = f"probe-{suite}-heatmap.svg"
            _heat_map(knn, folder / files[f"{suite} heatmap"])
    return files


def complete(scores: list[Score]) -> dict[str, dict[str, float]]:
    """Means over tasks by embedder and head, of those that have every task of a head: others' means are not comparable."""
    means: dict[str, dict[str, float]] = {}
    for head in HEADS:
        values = {name: {s.task: s.value for s in scores if (s.embedder, s.head) == (name, head)} for name in _names(scores)}
        tasks = {task for found in values.values() for task in found}
        for name, found in values.items():
            if tasks and found.keys() == tasks:
                means.setdefault(name, {})[head] = float(np.mean(list(found.values())))
    return means


def drawn_on_heat_map(names: list[str]) -> list[str]:
    """All that is not ours, and of ours one row a stream.

    Example:
        >>> drawn_on_heat_map(["logmel", "semcodec@25:both", "semcodec@50:both", "semcodec@25:acoustic", "peer:dac"])
        ['logmel', 'semcodec@50:both', 'semcodec@25:acoustic', 'peer:dac']
    """
    ours = [name for name in names if name.startswith(OURS)]
    streams: dict[str, str] = {}
    for name in sorted(ours, key=lambda name: not name.startswith(f"{SHOWN_RATE}:")):
        streams.setdefault(name.partition(":")[2], name)
    return [name for name in names if name not in ours or name in streams.values()][:MOST_ROWS]


def _bars(scores: list[Score], path: Path) -> None:
    from matplotlib import pyplot as plt
    from matplotlib.patches import Patch

    means = complete(scores)
    names = sorted(means, key=lambda name: means[name].get("knn") or means[name].get("mlp", 0.0))
    figure, axes = plt.subplots(figsize=(6.4, 1 + 0.45 * len(names)), layout="constrained")
    for row, name in enumerate(names):
        for offset, head in zip((0.2, -0.2), HEADS, strict=True):
            share = 100 * means[name].get(head, 0.0)
            axes.barh(row + offset, share, 0.38, color=colour_of(name), alpha=_SHADES[head])
            if head in means[name]:
                axes.plot(share, row + offset, marker_of(name), color=colour_of(name), markersize=7, mec="white")
    axes.set_yticks(range(len(names)), [_titled(scores, name) for name in names])
    axes.set_xlabel("mean over all tasks, %")
    handles = [Patch(color=GREY, alpha=_SHADES[head], label=title) for head, title in HEADS.items()]
    axes.legend(handles=handles, loc="lower right")
    write_svg(figure, path)
    plt.close(figure)


def _heat_map(scores: list[Score], path: Path) -> None:
    """Every figure as a number on its colour: what a radar's crossing lines hide can be read here."""
    from matplotlib import pyplot as plt

    tasks, names = sorted({score.task for score in scores}), drawn_on_heat_map(_names(scores))
    known = {(score.embedder, score.task): 100 * score.value for score in scores}
    values = np.array([[known.get((name, task), np.nan) for task in tasks] for name in names])
    figure, axes = plt.subplots(figsize=(0.4 + 0.42 * len(tasks), 1.2 + 0.52 * len(names)), layout="constrained")
    # Names stand above their rows, not beside them: a phone shows all of the picture's width, and its figures stay large.
    with_names = np.full((2 * len(names), len(tasks)), np.nan)
    with_names[1::2] = values
    axes.imshow(with_names, cmap="cividis", vmin=0, vmax=100, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        if not np.isnan(value):
            ink = KEPT_BLACK if value > 55 else KEPT_WHITE
            axes.text(column, 2 * row + 1, f"{value:.0f}", ha="center", va="center", color=ink, fontsize=10)
    for row, name in enumerate(names):
        axes.plot(-0.35, 2 * row, marker_of(name), color=colour_of(name), markersize=6)
        axes.text(-0.1, 2 * row, _titled(scores, name), va="center", fontsize=9)
    axes.set_xticks(range(len(tasks)), [task.replace("_", " ") for task in tasks], rotation=50, ha="right")
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    write_svg(figure, path)
    plt.close(figure)


def _names(scores: list[Score]) -> list[str]:
    return list(dict.fromkeys(score.embedder for score in scores))


def _titled(scores: list[Score], name: str) -> str:
    score = next(score for score in scores if score.embedder == name)
    rate = f", {score.bitrate / 1000:.2f} kbps" if score.bitrate else ""
    return f"{name}{rate}{'' if score.trained else ' (random weights)'}"
