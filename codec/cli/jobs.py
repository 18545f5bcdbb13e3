"""Running through the files of a command line: progress, resuming, failures listed at the end."""

from __future__ import annotations

import dataclasses
import json as jsonlib
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import get_args

from rich.console import Console

from codec.atomic import remove_leftovers
from codec.audio.io import AUDIO_SUFFIXES
from codec.cli.bar import AudioBar, lengths, seconds_of_audio, seconds_of_tokens
from codec.cli.options import DecodeOptions, EncodeOptions
from codec.cli.plan import DECODED, Job, names_folder, plan
from codec.cli.resume import Settings, decoded, encoded, is_container, left_to_do
from codec.container.arrays import SUFFIXES, Format, check_format
from codec.errors import CodecError
from codec.files import FileReport, decode_file, encode_file
from codec.hub import load_codec
from codec.model import Codec
from codec.protocol import SemanticCodec
from codec.threads import at_once, in_order


def encode_all(inputs: list[str], output: str | None, options: EncodeOptions, overwrite: bool) -> int:
    """Runs ``codec encode``; how many files were not whole."""
    format, semantic_only, entropy = check_format(options.format), options.semantic_only, options.entropy
    _check_suffix(output, format)
    for name in filter(is_container, inputs):
        raise CodecError(f"{name}: is a .sct file, tokens already; codec decode turns it into sound")
    jobs = plan(inputs, output, AUDIO_SUFFIXES, f".{format}")
    codec = load_codec(options.model, options.rate, options.vocab, options.device)
    spec = codec.spec()
    wanted = Settings.of(spec.first(1) if semantic_only else spec, entropy)
    todo = left_to_do(jobs, overwrite, encoded(wanted))

    def work(job: Job, progress: Callable[[float], None]) -> FileReport:
        return encode_file(
            codec, job.source, job.target, format=format, semantic_only=semantic_only, entropy=entropy,
            progress=progress, strict=options.strict,
        )  # fmt: skip

    return run(jobs, todo, work, _files_at_once(codec), options.json, "encoding", seconds_of_audio)


def decode_all(inputs: list[str], output: str | None, options: DecodeOptions, overwrite: bool) -> int:
    """Runs ``codec decode``; how many files were not whole."""
    for name in inputs:
        if Path(name).suffix.lower() in SUFFIXES:
            raise CodecError(f"{name}: codes for other programs; in Python, model.tokens(codes, rate=…) takes them back")
    jobs = plan(inputs, output, frozenset({".sct"}), DECODED)
    codec = load_codec(options.model, device=options.device, decoder=options.decoder)
    part = options.part
    todo = left_to_do(jobs, overwrite, decoded(codec, options.sample_rate, part, options.quick))

    def work(job: Job, progress: Callable[[float], None]) -> FileReport:
        return decode_file(
            codec, job.source, job.target, options.sample_rate, options.conceal, progress, part=part, quick=options.quick
        )

    seconds = seconds_of_tokens if part is None else lambda _: None
    return run(jobs, todo, work, _files_at_once(codec), options.json, "decoding", seconds)


def _check_suffix(output: str | None, format: str) -> None:
    """Refuses a name that promises something else than what would be written."""
    suffix = Path(output or "").suffix.lower()
    if output is None or names_folder(output) or suffix == f".{format}":
        return
    right = Path(output).with_suffix(f".{format}")
    if suffix in AUDIO_SUFFIXES:
        raise CodecError(f"{output}: codec encode writes tokens, not audio; name it {right}, and decode that to {suffix}")
    if suffix[1:] in get_args(Format):
        raise CodecError(f"{output}: this is {format}; name it {right}, or add --format {suffix[1:]}")


def _files_at_once(codec: SemanticCodec) -> int:
    """How many files are worked on at a time: on a CPU one for each thread, if the model is known to bear it."""
    return at_once() if isinstance(codec, Codec) and codec.engine.on_cpu else 1


def run(
    jobs: list[Job],
    todo: list[Job],
    work: Callable[[Job, Callable[[float], None]], FileReport],
    workers: int,
    json: bool,
    verb: str,
    seconds: Callable[[str], float | None],
) -> int:
    """Works through what is left of the jobs, some side by side; goes on after failures and lists them at the end.

    Args:
        jobs: all of them.
        todo: those that are left.
        work: one job; tells the seconds of audio that it has done.
        workers: jobs at once.
        json: reports as JSON lines, and no bar.
        verb: for the bar.
        seconds: of audio in a file, for the bar; None where nobody knows.

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
    silent = json or not console.is_terminal
    bar = AudioBar(verb, [] if silent else lengths([job.source for job in todo], seconds), console, silent)
    with bar.progress:

        def progress(seconds: float) -> None:
            if given_up.is_set():
                raise CodecError("given up")
            bar.hear(seconds)

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
                warned += bool(outcome.warnings or outcome.damaged_chunks)
                _report(outcome, json, console)
            bar.finish_file()
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
        f"{report.rate:g} tokens/s  {report.kbps:.2f} kbps  "
    )
    if report.file_kbps:
        line += f"file {report.bytes} bytes ({report.file_kbps:.2f} kbps)  "
    line += f"{report.times_real_time:.0f}× real time"
    if report.damaged_chunks:
        line += f"  {report.damaged_chunks} damaged chunks muted"
    console.print(line, highlight=False, soft_wrap=True, markup=False)
    for warning in report.warnings:
        console.print(f"codec: {report.input}: {warning}", highlight=False, soft_wrap=True, markup=False)
