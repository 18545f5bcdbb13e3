"""What a probe found: one value per embedder, task, head and mode; kept as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from codec.atomic import atomic_write
from codec.errors import CodecError

Suite = Literal["tasks", "xares", "hear"]
Mode = Literal["corrected", "compatible"]
HeadName = Literal["knn", "mlp", "majority"]
HEADS: dict[HeadName, str] = {"knn": "k-NN", "mlp": "trained head"}
"""Those that look at the audio, and what they are called."""
MODES: tuple[Mode, ...] = ("corrected", "compatible")
MAJORITY = "majority class"
"""The name under which the answer that looks at no audio is kept."""


@dataclass(frozen=True)
class Score:
    """One measured value.

    Attributes:
        suite: tasks from free audio, the public X-ARES tasks, or HEAR.
        task: name of the task.
        embedder: name of the embedder; `MAJORITY` for the answer that looks at no audio.
        head: what was put on top.
        mode: ``compatible`` does what X-ARES 0.1.3 does, defects included; ``corrected`` does not repeat them.
        metric: of ``value``.
        value: between 0 and 1, higher is better.
        weight: in an average over tasks.
        train, test: clips used; in compatible mode, crops of them.
        folds: values of single folds, if there were any.
        bitrate: of the tokens behind the vectors in bits per second, if there are tokens.
        trained: False for random weights.
        dim: width of a vector.
        learned: whether the embedder was tuned on this task's labels.
    """

    suite: Suite
    task: str
    embedder: str
    head: HeadName
    mode: Mode
    metric: str
    value: float
    weight: float
    train: int
    test: int
    folds: tuple[float, ...] = ()
    bitrate: float | None = None
    trained: bool = True
    dim: int = 0
    learned: bool = False


@dataclass(frozen=True)
class Failure:
    """A task that could not be scored, or not by every head, and why; other tasks went on."""

    suite: Suite
    task: str
    embedder: str
    reason: str


@dataclass
class Results:
    """Everything that one or more runs found.

    Attributes:
        scores, failures: in the order in which they came.
        about: seed and versions of the last run, and ``runs``: of each, which weights, tasks, packages and machine, and when.
        tasks: what the cards of the tasks say, by name.
    """

    scores: list[Score] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    about: dict[str, object] = field(default_factory=dict)
    tasks: dict[str, dict[str, object]] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """Writes JSON, in one piece."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as handle:
            handle.write((json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n").encode())


def read_results(paths: Iterable[str | Path]) -> Results:
    """Reads and joins result files; of scores with the same names, the last one counts.

    Raises:
        CodecError: a file is missing or not such a file.
    """
    scores: dict[tuple[str, ...], Score] = {}
    failures: dict[tuple[str, ...], Failure] = {}
    about: dict[str, Any] = {}
    tasks: dict[str, dict[str, object]] = {}
    for path in map(Path, paths):
        try:
            raw = json.loads(path.read_text("utf-8-sig"))
            for row in raw["scores"]:
                score = Score(**{**row, "folds": tuple(row["folds"])})
                scores[score.suite, score.task, score.embedder, score.head, score.mode] = score
            for row in raw["failures"]:
                failure = Failure(**row)
                failures[failure.suite, failure.task, failure.embedder] = failure
            runs = [*about.get("runs", []), *raw["about"].get("runs", [])]
            about.update(raw["about"], **({"runs": runs} if runs else {}))
            tasks.update(raw["tasks"])
        except OSError as error:
            raise CodecError(f"{path}: {error.strerror}; codec probe run writes such files") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CodecError(f"{path}: not a file of probe results ({type(error).__name__}: {error})") from error
    return Results(list(scores.values()), list(failures.values()), about, tasks)


def is_variant(embedder: str) -> bool:
    """Whether a name is that of another embedder with something done to it: an option, an ensemble, tuning.

    Example:
        >>> [is_variant(name) for name in ("logmel", "logmel|dc", "logmel+semcodec:features")]
        [False, True, True]
    """
    return "|" in embedder or "+" in embedder or embedder.startswith("tuned:")


def weighted_average(scores: Sequence[Score]) -> float:
    """Σ value·weight / Σ weight, as X-ARES averages over tasks.

    Example:
        >>> weighted_average([])
        nan
    """
    total = sum(score.weight for score in scores)
    return sum(score.value * score.weight for score in scores) / total if total else float("nan")
