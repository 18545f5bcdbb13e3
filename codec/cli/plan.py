"""Which files a command line means, and what each becomes."""

from __future__ import annotations

import glob
import os
import sys
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from codec.audio.folders import names_below, passed_over
from codec.audio.io import AUDIO_SUFFIXES
from codec.errors import CodecError

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


def plan(inputs: list[str], output: str | None, suffixes: frozenset[str], new_suffix: str) -> list[Job]:
    """Turns arguments into jobs.

    Raises:
        CodecError: nothing found, several inputs for one output file, two inputs for one output, or output = input.
    """
    jobs: list[Job] = []
    sources = [match for argument in inputs for match in _expand(argument)]
    many = len(sources) > 1
    into_folder = output is not None and output != "-" and (names_folder(output) or (many and not Path(output).suffix))
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


def names_folder(output: str) -> bool:
    """Whether an output is a folder, or is written as one."""
    return output.endswith(os.sep) or Path(output).is_dir()


def _expand(argument: str) -> list[str]:
    if argument == "-" or Path(argument).exists() or not glob.has_magic(argument):
        return [argument]
    matches = sorted(glob.glob(argument, recursive=True))
    if not matches:
        raise CodecError(f"{argument}: nothing matches")
    return matches


def _walk(folder: Path, output: Path, suffixes: frozenset[str], new_suffix: str) -> list[Job]:
    found = sorted(names_below(folder, suffixes))
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
