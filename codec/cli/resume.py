"""What lies where a result should go: nothing, the same result, or something that must not be lost."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import soundfile

from codec.cli.plan import Job
from codec.container.arrays import SUFFIXES, beside, read_facts
from codec.container.header import MAGIC, Header
from codec.container.part import Part
from codec.errors import CodecError
from codec.files import provenance
from codec.protocol import SemanticCodec
from codec.token_spec import TokenSpec

DONE = "already done"
Look: TypeAlias = Callable[[Job], str]
"""Of a job whose target is there: `DONE`, nothing if it may be replaced, or why not."""


def left_to_do(jobs: Sequence[Job], overwrite: bool, look: Look) -> list[Job]:
    """Jobs whose result is not there yet.

    Raises:
        CodecError: something else is there, of which nothing may be lost unless ``overwrite`` says so; nothing was done.
    """
    todo: list[Job] = []
    refused: list[str] = []
    for job in jobs:
        found = _found(job, look) if not overwrite and job.target != "-" else ""
        if not found:
            todo.append(job)
        elif found != DONE:
            refused.append(f"{job.target}: {found}")
    if refused:
        more = f", and so are {len(refused) - 1} more" if len(refused) > 1 else ""
        raise CodecError(f"{refused[0]}{more}; --overwrite replaces what is there, -o names another place")
    return todo


def _found(job: Job, look: Look) -> str:
    """What lies at a job's target, or where an array's facts go beside it."""
    if os.path.isfile(job.target):
        return look(job)
    target = Path(job.target)
    taken = target.suffix == ".npy" and beside(target).exists() and read_facts(target) is None
    return f"its facts would go to {beside(target).name}, which is there already" if taken else ""


@dataclass(frozen=True)
class Settings:
    """What tokens were made with.

    Attributes:
        model: fingerprint.
        rate: tokens per second.
        codebook_sizes: of each stream.
        entropy: entropy-coded.
    """

    model: str
    rate: float
    codebook_sizes: tuple[int, ...]
    entropy: bool = False

    @staticmethod
    def of(spec: TokenSpec, entropy: bool) -> Settings:
        """The settings that tokens were made with."""
        return Settings(spec.model, spec.rate, spec.codebook_sizes, entropy)

    def unlike(self, other: Settings) -> str:
        """The first difference."""
        if self.model != other.model:
            return f"made by model {self.model}, not {other.model}"
        if (len(self.codebook_sizes) > 1) != (len(other.codebook_sizes) > 1):
            return f"made {'with' if len(self.codebook_sizes) > 1 else 'without'} acoustic tokens"
        if self.rate != other.rate:
            return f"made at {self.rate:g} tokens/s, not {other.rate:g}"
        if self.codebook_sizes != other.codebook_sizes:
            return f"made with vocabulary {self.codebook_sizes[0]}, not {other.codebook_sizes[0]}"
        return "" if self.entropy == other.entropy else f"made {'with' if self.entropy else 'without'} entropy coding"


def settings_of(path: Path) -> Settings | None:
    """What a token file was made with, or None if it is none."""
    if path.suffix in SUFFIXES:
        try:
            facts = read_facts(path) or {}
            sizes = tuple(map(int, facts["codebook_sizes"]))
            return Settings(str(facts["model"]), float(facts["frame_rate"]) * len(sizes), sizes)
        except (KeyError, TypeError, ValueError):
            return None
    try:
        with path.open("rb") as handle:
            header = Header.read(handle)
    except (OSError, CodecError):
        return None
    return Settings.of(header.spec, header.entropy is not None)


def is_container(path: str) -> bool:
    """Whether a file begins as a container does; what comes through a pipe is not looked at."""
    if not Path(path).is_file():
        return False
    try:
        with open(path, "rb") as handle:
            return handle.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def encoded(wanted: Settings) -> Look:
    """Looks at token files."""

    def look(job: Job) -> str:
        found = settings_of(Path(job.target))
        if found is None:
            return "is there already, and not a token file"
        # One that is named may be made anew: its tokens are the codec's own.
        if not job.resumable:
            return ""
        if difference := found.unlike(wanted):
            return difference
        newer = Path(job.source).stat().st_mtime_ns > Path(job.target).stat().st_mtime_ns
        return "" if newer else DONE

    return look


def decoded(model: SemanticCodec, sample_rate: int | None, part: Part | None, quick: bool = False) -> Look:
    """Looks at audio files: those that say that they were decoded from these very tokens are done."""

    def look(job: Job) -> str:
        if not is_container(job.source):
            return ""  # it will be refused for that, which tells more
        try:
            with soundfile.SoundFile(os.fsencode(job.target)) as handle:
                found = handle.comment, handle.samplerate
            with open(job.source, "rb") as source:
                rate = Header.read(source).sample_rate if sample_rate is None else sample_rate
        except (OSError, soundfile.SoundFileError, CodecError):
            return "is there already"
        if found == (provenance(job.source, model, part, quick), rate) and found[0]:
            return DONE
        return "is there already, and was not decoded from these tokens in this way"

    return look
