"""One shard, from rows to files: what a worker does, on this machine or another."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path

from codec.atomic import atomic_write
from codec.data.recordings.opening import open_place
from codec.data.recordings.rows import Row
from codec.errors import CodecError, one_line
from codec.hub import load_own
from codec.model import Codec
from codec.provenance import sha256_of
from codec.threads import one_each
from codec.tokenize.encode import BatchEncoder, Encoded
from codec.tokenize.plan import Settings
from codec.tokenize.shard_files import SUFFIXES, write_rows
from codec.tokenize.sources import Stamp, stamps
from codec.tokenize.token_row import TokenRow

SHARDS, JOURNAL = "shards", ".work"


@dataclass(frozen=True)
class Setup:
    """What every worker needs.

    Attributes:
        output: folder of the run.
        root: folder that rows' places are relative to.
        model: for `load_own`.
        settings: of the tokens.
    """

    output: str
    root: str
    model: str
    settings: Settings


@dataclass(frozen=True)
class Task:
    """One shard to make.

    Attributes:
        shard: its number.
        rows: what goes in.
        attempt: how often it was begun before.
        poisoned: indices of rows that keep killing their workers.
    """

    shard: int
    rows: tuple[Row, ...]
    attempt: int = 0
    poisoned: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Failure:
    """A row that has no tokens.

    Attributes:
        key: of the row.
        source: where it comes from.
        reason: why.
    """

    key: str
    source: str
    reason: str


@dataclass(frozen=True)
class Report:
    """A shard that is done; it is written last, and what makes the shard count.

    Attributes:
        shard: its number.
        rows: in it.
        hours: of audio.
        tokens: over all streams.
        work_seconds: that it took.
        files: size in bytes and SHA-256 of each file, by name.
        failures: rows that are not in it.
        sources: of the files that its rows come from, by path; only as it lies on disk, and empty if an older version wrote it.
    """

    shard: int
    rows: int
    hours: float
    tokens: int
    work_seconds: float
    files: dict[str, tuple[int, str]]
    failures: list[Failure] = field(default_factory=list)
    sources: dict[str, Stamp] = field(default_factory=dict)


def report_path(output: Path, shard: int) -> Path:
    """Where a shard's report lies."""
    return output / SHARDS / f"{shard:06d}.json"


def journal_path(output: Path, task: Task) -> Path:
    """Where a worker notes which row it has begun, for when it dies of it."""
    return output / JOURNAL / f"{task.shard:06d}.{task.attempt}"


def load_report(output: Path, shard: int) -> Report | None:
    """A shard's report, if the shard is done and its files are there."""
    try:
        raw = json.loads(report_path(output, shard).read_text("utf-8"))
        raw["failures"] = [Failure(**failure) for failure in raw["failures"]]
        raw["files"] = {name: (size, digest) for name, (size, digest) in raw["files"].items()}
        raw["sources"] = {path: (size, date, digest) for path, (size, date, digest) in raw.get("sources", {}).items()}
        report = Report(**raw)
        whole = all((output / SHARDS / name).stat().st_size == size for name, (size, _) in report.files.items())
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return report if whole else None


@lru_cache(maxsize=1)
def _model(name: str, rate: int, vocab: int, device: str) -> Codec:
    return load_own(name, rate, vocab, device)


def work(setup: Setup, task: Task, device: str) -> Report:
    """Encodes a shard and writes its files, then its report.

    Raises:
        CodecError: the shard cannot be written, or the model not be loaded. Rows never raise: they are listed.
    """
    # Results must not depend on how many threads a worker happens to get, and workers are as many as there are processors.
    with one_each():
        return _make(setup, task, device)


def _make(setup: Setup, task: Task, device: str) -> Report:
    started = time.perf_counter()
    settings, output = setup.settings, Path(setup.output)
    model = _model(setup.model, settings.rate, settings.vocab, device)
    # Before they are read: what is replaced meanwhile is seen the next time.
    sources = stamps(setup.root, (row.place for row in task.rows if row.place is not None))
    found, failures = _encode(model, setup, task)
    first = task.shard * settings.shard_rows
    rows = [(first + index, _token_row(task.rows[index], found[index], model, settings)) for index in sorted(found)]
    files = {}
    for name in settings.formats:
        path = output / SHARDS / f"{task.shard:06d}{SUFFIXES[name]}"
        write_rows(path, rows)
        files[path.name] = (path.stat().st_size, sha256_of(path))
    report = Report(
        task.shard,
        len(rows),
        sum(row.duration for _, row in rows) / 3600,
        sum(row.codes.size for _, row in rows),
        time.perf_counter() - started,
        files,
        [Failure(task.rows[index].key, task.rows[index].source, failures[index]) for index in sorted(failures)],
    )
    used = {place.path for index in found if (place := task.rows[index].place) is not None}
    kept = replace(report, sources={path: stamp for path, stamp in sources.items() if path in used})
    with atomic_write(report_path(output, task.shard)) as handle:
        handle.write((json.dumps(asdict(kept), indent=1) + "\n").encode())
    return report


def _encode(model: Codec, setup: Setup, task: Task) -> tuple[dict[int, Encoded], dict[int, str]]:
    encoder = BatchEncoder(model, len(setup.settings.codebook_sizes))
    found: dict[int, Encoded] = {}
    failures: dict[int, str] = {}
    for index, row in enumerate(task.rows):
        if row.place is None:
            failures[index] = one_line(row.problem or "no audio")
        elif index in task.poisoned:
            failures[index] = "every process that read it died"
        else:
            _note(setup, task, index)
            try:
                with open_place(setup.root, row.place) as sound:
                    found |= {encoded.index: encoded for encoded in encoder.add(index, sound)}
            except (CodecError, OSError) as error:
                failures[index] = one_line(str(error).replace(f"{setup.root}{os.sep}", ""))
            if encoder.full:
                found |= {encoded.index: encoded for encoded in encoder.flush()}
    found |= {encoded.index: encoded for encoded in encoder.flush()}
    return found, failures


def _note(setup: Setup, task: Task, index: int) -> None:
    path = journal_path(Path(setup.output), task)
    try:
        path.write_text(str(index), "utf-8")
    except OSError as error:
        raise CodecError(f"cannot write {path}: {error.strerror}") from error


def _token_row(row: Row, encoded: Encoded, model: Codec, settings: Settings) -> TokenRow:
    return TokenRow(
        row.key,
        encoded.codes,
        model.frame_rate * len(settings.codebook_sizes),
        settings.codebook_sizes,
        encoded.sample_rate,
        encoded.samples,
        model.fingerprint,
        model.sample_rate,
        row.metadata,
    )
