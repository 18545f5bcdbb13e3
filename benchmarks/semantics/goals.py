"""What the project set out to reach, task by task, judged on the same two rows everywhere."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from benchmarks.semantics.tables import MARK, label
from eval.markdown import table
from eval.semantics.scores import Score

JUDGED = ("semcodec@25:context", "semcodec@50:context")
"""The best of all our rows, chosen task by task on the test clips, would look better than any of them is."""
FEATURES, LOG_MEL = "semcodec:features", "logmel"
LIKE_OTHERS, PLAIN = ("encodec", "dac", "peer:"), "peer:plain"
"""Architectures of others; of the peers one is our own, with nothing semantic in it."""
RELATIVE_LOSS = 0.1
"""That semantic tokens may lose against the features that they quantise."""
Z = 1.96
"""Of an interval of 95 %."""

_ABOUT = (
    f"By corrected k-NN, {' and '.join(f'`{name}`' for name in JUDGED)} for every task, not the best of all our rows. In "
    "brackets stands what they are held against; of EnCodec and DAC that is the best of all rows there are, with "
    f"{MARK} where its weights are random. The interval is Wilson's, of 95 %, over the test clips, for our row alone; ≈ "
    "says that what had to be reached lies inside it, so that so few clips cannot tell."
)


def goals(scores: Sequence[Score]) -> Iterable[str]:
    """A table of every judged row and task; nothing where none of the rows was measured.

    Args:
        scores: of one suite.
    """
    knn = {(s.embedder, s.task): s for s in scores if s.head == "knn" and s.mode == "corrected"}
    tasks = list(dict.fromkeys(task for _, task in knn))
    rows = [_row(knn[name, task], knn) for task in tasks for name in JUDGED if (name, task) in knn]
    if not rows:
        return
    yield "### Goals"
    yield _ABOUT
    against = ["above log-mel", "above EnCodec, DAC", f"within {100 * RELATIVE_LOSS:.0f} % of unquantised features"]
    yield table(["task (k-NN)", "test clips", "tokens", "score", "interval", *against], rows)


def _row(own: Score, knn: dict[tuple[str, str], Score]) -> list[str]:
    others = [
        score for (name, task), score in knn.items() if task == own.task and name.startswith(LIKE_OTHERS) and name != PLAIN
    ]
    low, high = wilson(own.value, own.test)
    return [
        own.task.replace("_", " "),
        str(own.test),
        label(own),
        f"{own.value:.1%}",
        f"{low:.1%} – {high:.1%}",
        _verdict(own, knn.get((LOG_MEL, own.task))),
        _verdict(own, max(others, key=lambda score: score.value, default=None)),
        _verdict(own, knn.get((FEATURES, own.task)), 1 - RELATIVE_LOSS),
    ]


def _verdict(own: Score, other: Score | None, share: float = 1.0) -> str:
    """Whether a value is above another, or no less than a share of it."""
    if other is None:
        return "–"
    wanted = share * other.value
    reached = own.value > wanted if share == 1 else own.value >= wanted
    low, high = wilson(own.value, own.test)
    unsure = " ≈" if low < wanted < high else ""
    return f"{'yes' if reached else '**no**'}{unsure} ({other.value:.1%}{'' if other.trained else MARK})"


def wilson(share: float, count: int) -> tuple[float, float]:
    """95 % interval of a share of so many clips.

    Example:
        >>> [round(edge, 3) for edge in wilson(0.5, 100)]
        [0.404, 0.596]
    """
    middle = (share + Z**2 / (2 * count)) / (1 + Z**2 / count)
    half = Z / (1 + Z**2 / count) * math.sqrt(share * (1 - share) / count + Z**2 / (4 * count**2))
    return max(0.0, middle - half), min(1.0, middle + half)
