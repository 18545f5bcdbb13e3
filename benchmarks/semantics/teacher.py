"""How near our encoder comes to the one that taught it: means over the same tasks, by what the tasks are made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from benchmarks.semantics.goals import FEATURES, JUDGED
from benchmarks.semantics.tables import label
from eval.markdown import table
from eval.semantics.scores import HEADS, HeadName, Score
from eval.semantics.tasks.build import TASKS

TEACHER = "whisper-ct2:"
"""How the names of teachers begin."""
WITHIN = 0.05
"""Of the teacher's mean over both heads: the goal."""
SPEECH = "speech"
KINDS = (SPEECH, "music, sound")
_ABOUT = (
    f"Tasks that both were asked. The goal: no more than {100 * WITHIN:.0f} points below on the mean of both heads, and above "
    "it on the mean of tasks of music and sound; those of speech and other sound together count there, too."
)

Values = Mapping[tuple[str, HeadName, str], Score]
"""By embedder, head and task."""


def beside_teacher(scores: Sequence[Score]) -> Iterable[str]:
    """A table of our features and judged tokens beside each teacher; nothing where one of the two is missing.

    Args:
        scores: of the tasks from free audio.
    """
    values = {(s.embedder, s.head, s.task): s for s in scores if s.mode == "corrected" and s.head in HEADS}
    embedders = list(dict.fromkeys(name for name, _, _ in values))
    pairs = [
        (teacher, own)
        for teacher in embedders
        if teacher.startswith(TEACHER)
        for own in (FEATURES, *JUDGED)
        if own in embedders
    ]
    rows = [row for teacher, own in pairs if (row := _row(values, teacher, own))]
    if not rows:
        return
    yield "### Beside the teacher"
    yield _ABOUT
    yield table(
        ["teacher", "embedder", *HEADS.values(), "both heads", *KINDS, "within 5 points", "above on music, sound"], rows
    )


def _row(values: Values, teacher: str, own: str) -> list[str]:
    heads = {head: _shared(values, teacher, own, head) for head in HEADS}
    if not all(heads.values()):
        return []
    gaps = {head: _means(values, teacher, own, head, tasks) for head, tasks in heads.items()}
    both = tuple(float(np.mean([gap[who] for gap in gaps.values()])) for who in (0, 1))
    kinds: list[tuple[float, ...] | None] = []
    for kind in KINDS:
        of_kind = {head: [task for task in tasks if _is_of(task, kind)] for head, tasks in heads.items()}
        known = [_means(values, teacher, own, head, tasks) for head, tasks in of_kind.items() if tasks]
        kinds.append(tuple(float(np.mean([mean[who] for mean in known])) for who in (0, 1)) if known else None)
    near = both[0] >= both[1] - WITHIN
    above = None if kinds[1] is None else kinds[1][0] > kinds[1][1]
    some = next(score for (name, _, _), score in values.items() if name == own)
    cells: list[tuple[float, ...] | None] = [*gaps.values(), both, *kinds]
    return [teacher, label(some), *(_cell(cell) for cell in cells), _verdict(near), "–" if above is None else _verdict(above)]


def _shared(values: Values, teacher: str, own: str, head: HeadName) -> list[str]:
    return [task for name, of, task in values if name == own and of == head and (teacher, head, task) in values]


def _means(values: Values, teacher: str, own: str, head: HeadName, tasks: Sequence[str]) -> tuple[float, float]:
    """Ours, and the teacher's."""
    mine, theirs = (float(np.mean([values[name, head, task].value for task in tasks])) for name in (own, teacher))
    return mine, theirs


def _is_of(task: str, kind: str) -> bool:
    domain = next((known.about.domain for known in TASKS if known.about.name == task), SPEECH)
    return (domain == SPEECH) == (kind == SPEECH)


def _cell(means: tuple[float, ...] | None) -> str:
    """Ours, and in brackets how many points above or below the teacher's."""
    return "–" if means is None else f"{means[0]:.1%} ({100 * (means[0] - means[1]):+.1f})"


def _verdict(reached: bool) -> str:
    return "yes" if reached else "**no**"
