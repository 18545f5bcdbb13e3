"""Which files a command line means, and running through them: progress, resuming, failures listed at the end."""

from __future__ import annotations

import dataclasses
import glob
import json as jsonlib
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Event
from typing import get_args

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from codec.atomic import remove_leftovers
from codec.audio.folders import passed_over
from codec.audio.io import AUDIO_SUFFIXES
from codec.cli.resume import Settings, decoded, encoded, is_container, left_to_do
from codec.errors import CodecError
from codec.files import FileReport, Format, decode_file, encode_file
from codec.hub import load_codec
from codec.model import Codec
from codec.threads import at_once, in_order

DECODED = ".decoded.wav"
"""Ends the names that decoding chooses: never those of recordings."""


@dataclass(frozen=True)
class Job:
    """One file to work on.

    Attributes:
        source: path or ``-``.
        target: path or ``-``.
        makes_folder: the target lies in an output folder that is made when it is missing.
        resumable: found by walking a folder: an existing target means that it is done.
    """

    source: str
    target: str
    makes_folder: bool = False
    resumable: bool = False


def encode_all(
    inputs: list[str],
    output: str | None,
    model: str,
    device: str,
    rate: int | None,
    vocab: int | None,
    format: str,
    semantic_only: bool,
    entropy: bool,
    overwrite: bool,
    strict: bool,
    json: bool,
) -> int:
    """Runs ``codec encode``; how many files were not whole."""
    if format not in get_args(Format):
        raise CodecError(f"format {format!r} is not one of {', '.join(get_args(Format))}")
    _check_suffix(output, format)
    for name in filter(is_container, inputs):
        raise CodecError(f"{name}: is a .sct file, tokens already; codec decode turns it into sound")
    jobs = plan(inputs, output, AUDIO_SUFFIXES, f".{format}")
    codec = load_codec(model, rate, vocab, device)
    tokens = codec.describe(codec.sample_rate)
    wanted = Settings.of(tokens.semantic_only() if semantic_only else tokens, entropy)
    todo = left_to_do(jobs, overwrite, encoded(wanted))

    def work(job: Job, progress: Callable[[float], None]) -> FileReport:
        return encode_file(codec, job.source, job.target, None, None, format, semantic_only, entropy, progress, strict)  # type: ignore[arg-type]

    return run(jobs, todo, work, _files_at_once(codec), json, "encoding")


def decode_all(
    inputs: list[str],
    output: str | None,
    model: str,
    device: str,
    decoder: str,
    sample_rate: int | None,
    conceal: bool,
    overwrite: bool,
    json: bool,
) -> int:
    """Runs ``codec decode``; how many files were not whole."""
    jobs = plan(inputs, output, frozenset({".sct"}), DECODED)
    codec = load_codec(model, device=device, decoder=decoder)
    todo = left_to_do(jobs, overwrite, decoded(codec, sample_rate))

    def work(job: Job, progress: Callable[[float], None]) -> FileReport:
        return decode_file(codec, job.source, job.target, sample_rate, conceal, progress)

    return run(jobs, todo, work, _files_at_once(codec), json, "decoding")


def _check_suffix(output: str | None, format: str) -> None:
    """Refuses a name that promises something else than what would be written."""
    suffix = Path(output or "").suffix.lower()
    if output is None or _names_folder(output) or suffix == f".{format}":
        return
    right = Path(output).with_suffix(f".{format}")
    if suffix in AUDIO_SUFFIXES:
        raise CodecError(f"{output}: codec encode writes tokens, not audio; name it {right}, and decode that to {suffix}")
    if suffix[1:] in get_args(Format):
        raise CodecError(f"{output}: this is {format}; name it {right}, or add --format {suffix[1:]}")


def plan(inputs: list[str], output: str | None, suffixes: frozenset[str], new_suffix: str) -> list[Job]:
    """Turns arguments into jobs.

    Raises:
        CodecError: nothing found, several inputs for one output file, two inputs for one output, or output = input.
    """
    jobs: list[Job] = []
    sources = [match for argument in inputs for match in _expand(argument)]
    many = len(sources) > 1
    into_folder = output is not None and output != "-" and (_names_folder(output) or (many and not Path(output).suffix))
    for source in sources:
        if source != "-" and Path(source).is_dir():
            if output == "-":
                raise CodecError(f"{source}: a folder cannot go to standard output")
            jobs += _walk(Path(source), Path(output or source), suffixes, new_suffix)
        elif output is None:
            jobs.append(Job(source, "-" if source == "-" else str(Path(source).with_suffix(new_suffix))))
        elif into_folder:
            name = "stdin" if source == "-" else Path(source).stem
            jobs.append(Job(source, str(Path(output) / f"{name}{new_suffix}"), makes_folder=True))
        elif many:
            raise CodecError(f"{len(sources)} inputs cannot go to one output {output}; name a folder")
        else:
            jobs.append(Job(source, output))
    return _without_clashes(jobs)


def _names_folder(output: str) -> bool:
    return output.endswith(os.sep) or Path(output).is_dir()


def _expand(argument: str) -> list[str]:
    if argument == "-" or Path(argument).exists() or not glob.has_magic(argument):
        return [argument]
    matches = sorted(glob.glob(argument, recursive=True))
    if not matches:
        raise CodecError(f"{argument}: nothing matches")
    return matches


def _walk(folder: Path, output: Path, suffixes: frozenset[str], new_suffix: str) -> list[Job]:
    found = sorted(_below(folder, suffixes))
    originals = [name for name in found if not name.endswith(DECODED)]
    if len(originals) < len(found):
        left = f"{len(found) - len(originals)} decoded files (*{DECODED}) below it are left out; name them to encode them"
        print(f"codec: {folder}: {left}", file=sys.stderr)
    if not originals:
        raise CodecError(f"{folder}: no {'/'.join(sorted(suffixes)) if len(suffixes) < 3 else 'audio'} files below this folder")
    if suffixes is AUDIO_SUFFIXES and (left := str(passed_over(folder, suffixes | {new_suffix}))):
        print(f"codec: {folder}: {left}", file=sys.stderr)
    stems = [os.path.splitext(name)[0] for name in originals]
    times = Counter(stems)
    jobs = []
    for name, stem in zip(originals, stems, strict=True):
        # a.wav beside a.flac: keep the whole name so that neither overwrites the other
        target = os.path.join(output, stem if times[stem] == 1 else name) + new_suffix
        jobs.append(Job(_within(folder, name), target, makes_folder=True, resumable=True))
    return jobs


def _below(folder: Path, suffixes: frozenset[str]) -> Iterator[str]:
    """Files below a folder, relative to it: texts, since paths are slow for a hundred thousand of them."""
    for place, _, files in os.walk(folder):
        inside = os.path.relpath(place, folder)
        for name in files:
            taken = not name.startswith(".") and os.path.splitext(name)[1].lower() in suffixes
            if taken and os.path.isfile(os.path.join(place, name)):
                yield name if inside == os.curdir else os.path.join(inside, name)


def _within(folder: Path, name: str) -> str:
    return name if str(folder) == os.curdir else os.path.join(folder, name)


def _without_clashes(jobs: list[Job]) -> list[Job]:
    targets: dict[str, str] = {}
    folder_of = cache(os.path.realpath)  # of few folders with many files

    def real_path(name: str) -> str:
        parent, file = os.path.split(name)
        return os.path.realpath(name) if os.path.islink(name) else os.path.join(folder_of(parent), file)

    for job in jobs:
        if job.target == "-":
            continue
        real = real_path(job.target)
        if job.source != "-" and os.path.exists(real) and real == real_path(job.source):
            raise CodecError(f"{job.source}: output would overwrite the input")
        if real in targets:
            raise CodecError(f"{job.source} and {targets[real]} would both be written to {job.target}")
        targets[real] = job.source
    return jobs


def _files_at_once(codec: Codec) -> int:
    """On a CPU as many as there are threads, of models that are known to bear it."""
    return at_once() if type(codec) is Codec and next(codec.networks.parameters()).device.type == "cpu" else 1


def run(
    jobs: list[Job],
    todo: list[Job],
    work: Callable[[Job, Callable[[float], None]], FileReport],
    workers: int,
    json: bool,
    verb: str,
) -> int:
    """Works through what is left of the jobs, some side by side; goes on after failures and lists them at the end.

    Returns:
        How many reports have warnings.

    Raises:
        CodecError: the only job failed, or some of several.
    """
    for folder in {Path(job.target).parent for job in jobs if job.resumable}:
        _clean(folder)
    skipped = len(jobs) - len(todo)
    failures: list[str] = []
    warned, given_up = 0, Event()
    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[audio]}"),
    )
    with Progress(
        *columns, TimeElapsedColumn(), console=console, transient=True, disable=json or not console.is_terminal
    ) as bar:
        task = bar.add_task(verb, total=len(todo), audio="")
        heard = 0.0

        def progress(seconds: float) -> None:
            nonlocal heard
            if given_up.is_set():
                raise CodecError("given up")
            heard += seconds
            bar.update(task, audio=f"{heard / 60:.1f} min of audio")

        def attempt(job: Job) -> FileReport | str:
            try:
                _make_parent(job)
                return work(job, progress)
            except CodecError as error:
                return str(error)
            except OSError as error:
                if job.target == "-":
                    raise
                return f"{job.source}: {error.strerror or error}"

        # Windows of short files are few: files go side by side, too.
        for outcome in in_order(attempt, todo, min(workers, len(todo)) or 1, given_up.set):
            if isinstance(outcome, str):
                failures.append(outcome)
            else:
                warned += bool(outcome.warnings)
                _report(outcome, json, bar.console)
            bar.advance(task)
    if skipped and not json:
        console.print(f"{skipped} already done, skipped (--overwrite redoes them)", highlight=False)
    if failures and len(jobs) == 1:
        raise CodecError(failures[0])
    if failures:
        for line in failures:
            print(f"codec: {' '.join(line.split())}", file=sys.stderr)
        raise CodecError(f"{len(failures)} of {len(todo)} files failed")
    return warned


def _clean(folder: Path) -> None:
    try:
        remove_leftovers(folder)
    except OSError as error:
        raise CodecError(f"cannot write {folder}: {error.strerror}") from error


def _make_parent(job: Job) -> None:
    if job.makes_folder:
        try:
            Path(job.target).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CodecError(f"cannot write {job.target}: {error.strerror}") from error


def _report(report: FileReport, json: bool, console: Console) -> None:
    if json:
        stream = sys.stderr if report.output == "-" else sys.stdout
        print(jsonlib.dumps(dataclasses.asdict(report)), file=stream, flush=True)
        return
    line = (
        f"{report.input} → {report.output}  {report.seconds:.2f} s × {report.channels} ch  "
        f"{report.rate:g} tokens/s  {report.kbps:.3f} kbps  {report.times_real_time:.0f}× real time"
    )
    if report.damaged_chunks:
        line += f"  {report.damaged_chunks} damaged chunks muted"
    console.print(line, highlight=False, soft_wrap=True, markup=False)
    for warning in report.warnings:
        console.print(f"codec: {report.input}: {warning}", highlight=False, soft_wrap=True, markup=False)
