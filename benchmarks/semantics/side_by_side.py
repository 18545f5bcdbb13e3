"""Scores as X-ARES 0.1.3 computes them beside corrected ones: task by task, and as the two weighted averages."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from benchmarks.semantics.tables import label
from eval.markdown import table
from eval.semantics.scores import MAJORITY, MODES, HeadName, Score, weighted_average

TRACKS: dict[HeadName, str] = {"knn": "B (k-NN)", "mlp": "A (trained head)"}
_ABOUT = (
    "*X-ARES* repeats what the package does: clips padded to the longest of sixteen before they are encoded, padding "
    "in the means, all but the first crop of a clip lost, k-fold epochs chosen on the test fold, and k-NN in which the "
    "dimensions of the training set instead of its vectors are scaled to length 1, which is no cosine similarity. "
    "*Corrected* does none of this."
)

Pairs = dict[HeadName, dict[str, tuple[Score, Score]]]
"""Of one embedder: head → task → corrected and compatible score, for tasks that have both."""


def side_by_side(scores: Sequence[Score]) -> Iterable[str]:
    """Two tables over the tasks that an embedder has in both modes; nothing where there are none.

    Args:
        scores: of one suite.
    """
    found = {name: _pairs(scores, name) for name in dict.fromkeys(s.embedder for s in scores) if name != MAJORITY}
    labels = {score.embedder: label(score) for score in scores}
    found = {name: pairs for name, pairs in found.items() if any(pairs.values())}
    if not found:
        return
    header = [cell for track in TRACKS.values() for cell in (f"{track} corrected", "X-ARES", "difference")]
    yield "### As X-ARES 0.1.3 scores it, and corrected"
    yield _ABOUT
    scored = {track: {task for pairs in found.values() for task in pairs[track]} for track in TRACKS}
    silent = {score.task: score for score in scores if score.embedder == MAJORITY}
    rows = [[labels[name], *_averages(pairs)] for name, pairs in found.items()]
    yield "Weighted averages, as the two tracks of the challenge have them:"
    yield table(["embedder", *header], [*_majority(silent, list(scored.values())), *rows])
    yield "Task by task:"
    rows = []
    for task in sorted(set().union(*scored.values())):
        rows += [[task, *row] for row in _majority(silent, [{task} & tasks for tasks in scored.values()])]
        rows += [[task, labels[name], *cells] for name, pairs in found.items() if (cells := _task(pairs, task))]
    yield table(["task", "embedder", *header], [[row[0].replace("_", " "), *row[1:]] for row in rows])


def _majority(silent: Mapping[str, Score], tracks: Sequence[Collection[str]]) -> list[list[str]]:
    """The row of the answer that looks at no audio, if it is known for all of each track's tasks; padding cannot touch it."""
    if not all(tasks <= silent.keys() for tasks in map(set, tracks)):
        return []
    means = [weighted_average([silent[task] for task in tasks]) for tasks in tracks]
    cells = [cell for mean, tasks in zip(means, tracks, strict=True) for cell in (f"{mean:.1%}" if tasks else "–", "–", "–")]
    return [[MAJORITY, *cells]]


def _pairs(scores: Sequence[Score], name: str) -> Pairs:
    found: Pairs = {}
    for head in TRACKS:
        modes = [{s.task: s for s in scores if (s.embedder, s.head, s.mode) == (name, head, mode)} for mode in MODES]
        found[head] = {task: (score, modes[1][task]) for task, score in modes[0].items() if task in modes[1]}
    return found


def _averages(pairs: Pairs) -> list[str]:
    cells = []
    for kept in pairs.values():
        both = [weighted_average([pair[mode] for pair in kept.values()]) for mode in range(2)]
        cells += _cells(*both) if kept else ["–"] * 3
    return cells


def _task(pairs: Pairs, task: str) -> list[str]:
    """Nothing if neither track has the task."""
    chosen = [kept.get(task) for kept in pairs.values()]
    cells = [cell for pair in chosen for cell in (_cells(pair[0].value, pair[1].value) if pair else ["–"] * 3)]
    return cells if any(chosen) else []


def _cells(corrected: float, compatible: float) -> list[str]:
    return [f"{corrected:.1%}", f"{compatible:.1%}", f"{100 * (compatible - corrected):+.1f}"]
