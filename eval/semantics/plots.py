"""Plots of probe results: a radar over tasks, and bars of averages beside bitrates."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from codec.atomic import atomic_path
from codec.errors import CodecError
from eval.semantics.scores import HEADS, Results, Score, is_variant

MOST_LINES = 7


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
        files[f"{suite} bars"] = f"probe-{suite}-bars.png"
        _bars(scores, folder / files[f"{suite} bars"])
        knn = [score for score in scores if score.head == "knn"] or scores
        if len({score.task for score in knn}) > 2:
            files[f"{suite} radar"] = f"probe-{suite}-radar.png"
            _radar(knn, folder / files[f"{suite} radar"])
    return files


def _bars(scores: list[Score], path: Path) -> None:
    from matplotlib import pyplot as plt

    names = sorted({s.embedder for s in scores}, key=lambda name: _mean(scores, name, "knn") or _mean(scores, name, "mlp"))
    figure, axes = plt.subplots(figsize=(8, 1 + 0.45 * len(names)), layout="constrained")
    rows = np.arange(len(names))
    for offset, (head, title) in zip((0.2, -0.2), HEADS.items(), strict=True):
        axes.barh(rows + offset, [100 * _mean(scores, name, head) for name in names], 0.38, label=title)
    axes.set_yticks(rows, [_titled(scores, name) for name in names])
    axes.set_xlabel("mean over tasks in %")
    axes.legend(loc="lower right")
    _save(figure, path)
    plt.close(figure)


def _radar(scores: list[Score], path: Path) -> None:
    from matplotlib import pyplot as plt

    tasks = sorted({score.task for score in scores})
    angles = np.linspace(0, 2 * np.pi, len(tasks), endpoint=False)
    names = sorted({s.embedder for s in scores}, key=lambda name: -_mean(scores, name, scores[0].head))
    figure, axes = plt.subplots(figsize=(8, 6), subplot_kw={"projection": "polar"}, layout="constrained")
    for name in names[:MOST_LINES]:
        values = {score.task: score.value for score in scores if score.embedder == name}
        line = [100 * values.get(task, np.nan) for task in tasks]
        axes.plot([*angles, angles[0]], [*line, line[0]], label=_titled(scores, name))
    axes.set_xticks(angles, [task.replace("_", " ") for task in tasks])
    axes.set_ylim(0, 100)
    axes.legend(loc="upper left", bbox_to_anchor=(1.05, 1))
    _save(figure, path)
    plt.close(figure)


def _mean(scores: list[Score], name: str, head: str) -> float:
    values = [score.value for score in scores if score.embedder == name and score.head == head]
    return float(np.mean(values)) if values else 0.0


def _titled(scores: list[Score], name: str) -> str:
    score = next(score for score in scores if score.embedder == name)
    rate = f", {score.bitrate / 1000:.2f} kbps" if score.bitrate else ""
    return f"{name}{rate}{'' if score.trained else ' (random weights)'}"


def _save(figure: object, path: Path) -> None:
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=100, metadata={"Software": None})  # type: ignore[attr-defined]
