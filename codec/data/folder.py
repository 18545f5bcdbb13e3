"""Any folder of audio files as a corpus."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from codec.audio.folders import paths_below
from codec.audio.io import AUDIO_SUFFIXES
from codec.data.domains import Domain
from codec.data.recording import Recording, split_of
from codec.errors import CodecError


def audio_files(root: Path) -> list[Path]:
    """All audio files below a folder, in a stable order; not hidden ones."""
    return paths_below(root, AUDIO_SUFFIXES)


def folder_clips(root: Path, domain: Domain = "speech") -> Iterator[Recording]:
    """All audio files below a folder; sub-folders named speech, music or sound tell the domain.

    Each is a source of its own, but files that differ in their suffix alone are one recording: all go where the first goes.

    Raises:
        CodecError: the folder is missing or holds no audio.
    """
    paths = audio_files(root)
    if not paths:
        raise CodecError(f"{root}: no audio files below this folder")
    first: dict[Path, str] = {}
    for path in paths:
        relative = path.relative_to(root)
        source = relative.as_posix()
        same = first.setdefault(relative.with_suffix(""), source)
        named = next((part for part in relative.parts[:-1] if part in get_args(Domain)), domain)
        split = None if same == source else split_of(same)
        yield Recording(str(path), source, named, root.name, split=split)  # type: ignore[arg-type]
