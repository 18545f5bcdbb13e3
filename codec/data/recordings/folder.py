"""A folder of audio files, and everything below it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from codec.audio.folders import names_below
from codec.audio.io import AUDIO_SUFFIXES
from codec.data.recordings.places import FilePlace
from codec.data.recordings.rows import Row


def folder_rows(folder: Path) -> Iterator[Row]:
    """Keys are paths without their suffix, or with it where two files differ in nothing else."""
    found = sorted(map(Path, names_below(folder, AUDIO_SUFFIXES)))
    stems = Counter(path.with_suffix("") for path in found)
    for path in found:
        stem = path.with_suffix("")
        name = path.as_posix()
        yield Row(stem.as_posix() if stems[stem] == 1 else name, name, FilePlace(name), {"path": name})
