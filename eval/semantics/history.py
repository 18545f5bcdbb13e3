"""A file of results that several runs fill: what it says of each of them, and what a later one leaves of earlier ones."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from codec.provenance import sha256_of
from eval.reconstruction.provenance import data_name, trace
from eval.semantics.interface import Embedder
from eval.semantics.scores import MAJORITY, Failure, HeadName, Mode, Results, Score, read_results

EVERYTHING = "*"
"""The task of a failure that is of all of them."""
DIGITS = 16


def digest_of_task(folder: Path) -> str:
    """Of a task's folder, by its card and its clips."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.iterdir() if path.suffix in (".json", ".tar")):
        with suppress(OSError):  # which scoring the task will report
            digest.update(f"{path.name}\0{sha256_of(path)}\n".encode())
    return digest.hexdigest()[:DIGITS]


@dataclass(frozen=True)
class Asked:
    """What one run is asked for.

    Attributes:
        tasks: folders.
        heads, modes: that score them; empty where a suite has its own.
        seed: of the heads.
    """

    tasks: Sequence[Path]
    heads: Sequence[HeadName]
    modes: Sequence[Mode]
    seed: int


@dataclass
class History:
    """Results on disk: those of earlier runs stay, but for what this one scores anew or what does not fit it.

    Attributes:
        path: of the JSON file.
        asked: of this run.
        earlier: what was there.
        digests: of this run's tasks.
        embedders: versions of those that this run opened; None where nothing tells it.
    """

    path: Path
    asked: Asked
    earlier: Results
    digests: dict[str, str]
    embedders: dict[str, str | None] = field(default_factory=dict)

    def opened(self, embedder: Embedder) -> None:
        """Scores that another model of this name left are no longer kept, which is said."""
        known = getattr(embedder, "version", None)
        self.embedders[embedder.name] = known
        before = _last(self.earlier, "embedders", embedder.name)
        if known is not None and before != known:
            which = "do not say of which model they are" if before is None else f"are of another model ({before}, now {known})"
            self._forget(f"of {embedder.name}, which {which}", lambda found: found.embedder == embedder.name)

    def forget_task(self, task: str) -> None:
        """Scores on other clips of this name are no longer kept, which is said."""
        self._forget(f"on {task}, which had other clips then", lambda found: found.task == task)

    def write(self, now: Results) -> None:
        """Writes what is kept and what this run has found so far."""
        run = trace(
            {"embedders": self.embedders, "tasks": self.digests, "heads": self.asked.heads, "modes": self.asked.modes},
            data_name(str(self.asked.tasks[0].resolve().parent)) if self.asked.tasks else "",
            list(self.digests.items()),
            workers=1,
            seed=self.asked.seed,
        )
        about = {key: value for key, value in asdict(run).items() if key != "clips"}  # what was hashed are tasks
        now.about = {
            "seed": self.asked.seed,
            "semcodec": version("semcodec"),
            "torch": version("torch"),
            "runs": [*_runs(self.earlier), about],
        }
        joined(self.earlier, now, self.asked).write(self.path)

    def _forget(self, what: str, gone: Callable[[Score | Failure], bool]) -> None:
        count = sum(map(gone, self.earlier.scores))
        self.earlier.scores = [score for score in self.earlier.scores if not gone(score)]
        self.earlier.failures = [failure for failure in self.earlier.failures if not gone(failure)]
        if count:
            print(f"{self.path}: {count} earlier scores are dropped: {what}", file=sys.stderr)


def begin(path: Path, asked: Asked) -> History:
    """Looks at what earlier runs left, and tells what stays of it.

    Args:
        path: of the JSON file.
        asked: of this run.

    Raises:
        CodecError: something else lies there.
    """
    digests = {folder.name: digest_of_task(folder) for folder in asked.tasks}
    history = History(path, asked, read_results([path]) if path.exists() else Results(), digests)
    for task, digest in digests.items():
        if _last(history.earlier, "tasks", task) not in (None, digest):
            history.forget_task(task)
    if left := sorted({score.embedder for score in history.earlier.scores} - {MAJORITY}):
        print(f"{path}: scores of earlier runs stay beside these: {', '.join(left)}", file=sys.stderr)
    return history


def joined(earlier: Results, now: Results, asked: Asked) -> Results:
    """Both; of what this run has tried, only what it found."""
    tried = {*map(_place, now.scores), *map(_place, now.failures)}
    opened = {(suite, embedder) for suite, task, embedder in tried if task != EVERYTHING}
    anew = {_key(score) for score in now.scores}

    def stays(score: Score) -> bool:
        asked_again = score.suite == "hear" or (score.head in asked.heads and score.mode in asked.modes)
        return _key(score) not in anew and not (_place(score) in tried and asked_again)

    def still_fails(failure: Failure) -> bool:
        mended = failure.task == EVERYTHING and (failure.suite, failure.embedder) in opened
        return _place(failure) not in tried and not mended

    return Results(
        [*filter(stays, earlier.scores), *now.scores],
        [*filter(still_fails, earlier.failures), *now.failures],
        now.about,
        earlier.tasks | now.tasks,
    )


def _place(found: Score | Failure) -> tuple[str, str, str]:
    return found.suite, found.task, found.embedder


def _key(score: Score) -> tuple[str, ...]:
    return (*_place(score), score.head, score.mode)


def _runs(results: Results) -> list[dict[str, Any]]:
    runs = results.about.get("runs", [])
    return runs if isinstance(runs, list) else []


def _last(results: Results, kind: str, name: str) -> str | None:
    """What the last run that knew an embedder or a task said of it."""
    known = [run["config"][kind] for run in _runs(results)]
    said = [versions[name] for versions in known if name in versions]
    return said[-1] if said else None
