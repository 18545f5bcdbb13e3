"""A whole run: plan, take up what is done, encode the rest, write the manifest."""

from __future__ import annotations

import json
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from codec.atomic import atomic_write, remove_leftovers
from codec.errors import CodecError
from codec.tokenize.plan import Plan
from codec.tokenize.sources import replaced
from codec.tokenize.work import JOURNAL, SHARDS, Report, Task, journal_path, load_report

PLAN, MANIFEST = "plan.json", "manifest.json"
MAX_DEATHS = 3
"""So many workers may die at the same row (or before any) until it is the row that is given up."""

Execute = Callable[[deque[Task]], Iterator[tuple[Task, Report | None]]]


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
        shards: that are done.
        total: shards.
        hours: of audio in them.
        deaths: workers that died.
    """

    shards: int
    total: int
    hours: float
    deaths: int


def prepare(output: Path, plan: Plan, source: Path) -> None:
    """Makes the output folder, or finds that it holds the same plan.

    Raises:
        CodecError: not writable, inside the corpus, or holding something else.
    """
    if source.is_dir() and output.resolve().is_relative_to(source.resolve()):
        raise CodecError(f"{output}: lies inside {source}, and would become part of the corpus")
    described = plan.describe()
    try:
        output.mkdir(parents=True, exist_ok=True)
        if (output / PLAN).is_file():
            _check_same(output, described)
        elif any(path for path in output.iterdir() if not path.name.startswith(".codec-")):
            raise CodecError(f"{output}: is not empty, and holds no token shards")
        for name in (SHARDS, JOURNAL):
            (output / name).mkdir(exist_ok=True)
        remove_leftovers(output)
        remove_leftovers(output / SHARDS)
        _write_json(output / PLAN, described)
    except OSError as error:
        raise CodecError(f"cannot write {output}: {error.strerror}") from error


def _check_same(output: Path, described: dict[str, object]) -> None:
    try:
        before = json.loads((output / PLAN).read_text("utf-8"))
        differing = [name for name in described if before.get(name) != described[name]]
    except (ValueError, AttributeError) as error:
        raise CodecError(f"{output / PLAN}: damaged; use another folder") from error
    if differing:
        name = differing[0]
        what = "rows of the corpus" if name == "rows_sha256" else f"{name} {before.get(name)}"
        now = "have changed" if name == "rows_sha256" else f"is now {described[name]}"
        raise CodecError(f"{output}: was begun otherwise ({what} {now}); use another folder")


def finish(
    output: Path, plan: Plan, execute: Execute, retry_failed: bool, progress: Callable[[Progress], None]
) -> dict[str, Any]:
    """Encodes every shard that is not done, and returns the manifest.

    Raises:
        CodecError: workers cannot write, or die before they begin.
    """
    started = time.perf_counter()
    reports, stale = _done(output, plan, retry_failed)
    waiting = deque(Task(n, tuple(plan.shard(n))) for n in range(plan.shards) if n not in reports)
    if not waiting and (manifest := _read_manifest(output)):
        return manifest
    (output / MANIFEST).unlink(missing_ok=True)
    made = 0
    deaths: Counter[tuple[int, int | None]] = Counter()
    for task, report in execute(waiting) if waiting else ():
        if report is None:
            waiting.append(_again(output, task, deaths))
        else:
            reports[task.shard] = report
            made += report.tokens
        progress(Progress(len(reports), plan.shards, sum(r.hours for r in reports.values()), deaths.total()))
    remove_leftovers(output / SHARDS)  # of workers that died in this run
    seconds = time.perf_counter() - started
    manifest = _manifest(plan, [reports[n] for n in range(plan.shards)], made, seconds, deaths.total(), stale)
    _write_json(output / MANIFEST, manifest)
    for left in (output / JOURNAL).iterdir():
        left.unlink()
    (output / JOURNAL).rmdir()
    return manifest


def _done(output: Path, plan: Plan, retry_failed: bool) -> tuple[dict[int, Report], int]:
    """Reports of shards that need not be made, and how many must be made anew because a file of theirs was replaced."""
    reports, stale = {}, 0
    for number in range(plan.shards):
        report = load_report(output, number)
        if report is None or (retry_failed and report.failures):
            continue
        if replaced(plan.root, report.sources):
            stale += 1
        else:
            reports[number] = replace(report, sources={})  # of a million files, they are too much to hold
    return reports, stale


def _again(output: Path, task: Task, deaths: Counter[tuple[int, int | None]]) -> Task:
    """The task once more; without the row that its worker died of, if that was not the first time."""
    try:
        row = int(journal_path(output, task).read_text("utf-8"))
    except (OSError, ValueError):
        row = None
    deaths[task.shard, row] += 1
    if deaths[task.shard, row] < MAX_DEATHS:
        return Task(task.shard, task.rows, task.attempt + 1, task.poisoned)
    if row is None:
        raise CodecError(f"{MAX_DEATHS} workers died before they began their first row (too little memory?)")
    return Task(task.shard, task.rows, task.attempt + 1, task.poisoned | {row})


def _manifest(plan: Plan, reports: Sequence[Report], made: int, seconds: float, deaths: int, stale: int) -> dict[str, Any]:
    failures = [asdict(failure) for report in reports for failure in report.failures]
    return {
        **plan.describe(),
        "tokenized": sum(report.rows for report in reports),
        "failed": len(failures),
        "hours": sum(report.hours for report in reports),
        "tokens": sum(report.tokens for report in reports),
        "work_seconds": sum(report.work_seconds for report in reports),
        "last_run": {
            "tokens": made,
            "seconds": seconds,
            "tokens_per_second": made / seconds,
            "workers_died": deaths,
            "shards_of_replaced_files": stale,
        },
        "shards": [
            {
                "shard": report.shard,
                "rows": report.rows,
                "hours": report.hours,
                "tokens": report.tokens,
                "files": {name: {"bytes": size, "sha256": digest} for name, (size, digest) in report.files.items()},
            }
            for report in reports
        ],
        "failures": failures,
    }


def _read_manifest(output: Path) -> dict[str, Any] | None:
    try:
        return json.loads((output / MANIFEST).read_text("utf-8"))
    except (OSError, ValueError):
        return None


def _write_json(path: Path, value: object) -> None:
    with atomic_write(path) as handle:
        handle.write((json.dumps(value, indent=1) + "\n").encode())
