"""Any folder of audio files as a corpus."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from codec.audio.folders import paths_below
from codec.audio.io import AUDIO_SUFFIXES
from codec.data.domains import Domain
from codec.data.recording import Recording
from codec.errors import CodecError


def audio_files(root: Path) -> list[Path]:
    """All audio files below a folder, in a stable order; not hidden ones."""
    return paths_below(root, AUDIO_SUFFIXES)


def folder_clips(root: Path, domain: Domain = "speech") -> Iterator[Recording]:
    """All audio files below a folder; sub-folders named speech, music or sound tell the domain.

    Raises:
        CodecError: the folder is missing or holds no audio.
    """
    paths = audio_files(root)
    if not paths:
        raise CodecError(f"{root}: no audio files below this folder")
    for path in paths:
        relative = path.relative_to(root)
        named = next((part for part in relative.parts[:-1] if part in get_args(Domain)), domain)
        yield Recording(str(path), relative.as_posix(), named, root.name)  # type: ignore[arg-type]
