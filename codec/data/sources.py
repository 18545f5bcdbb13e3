"""What a source in a config means: the free corpus, a folder, shards, or a published dataset's layout."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path

from codec.audio.folders import passed_over
from codec.audio.io import AUDIO_SUFFIXES
from codec.data import debian
from codec.data.folder import folder_clips
from codec.data.layouts import LAYOUTS, layout_clips
from codec.data.recording import LeftOut, Recording
from codec.data.shards import shard_clips
from codec.data.soundfont import soundfont_clips
from codec.data.speech import kokoro_clips
from codec.data.synthetic import synthetic_clips
from codec.data.tones import tone_clips
from codec.errors import CodecError, did_you_mean

MADE: dict[str, Callable[[Path, float], Iterator[Recording | LeftOut]]] = {
    "kokoro": kokoro_clips,
    "soundfont": soundfont_clips,
    "tones": tone_clips,
}
"""Sources that make so many hours."""
WHOLE = ("debian", "debian-more", "synthetic")
"""Sources that say all by their name."""
SHARDS = frozenset({".tar"})


def clips_of(source: str, packages: Path, scratch: Path) -> Iterator[Recording | LeftOut]:
    """Clips of a source in a config.

    That is ``debian``, ``debian-more``, ``synthetic``, ``kokoro:HOURS``, ``soundfont:HOURS``, ``tones:HOURS``, ``FOLDER``,
    ``webdataset:FOLDER`` or ``LAYOUT:FOLDER``.

    Args:
        source: as in the config.
        packages: where Debian packages are kept.
        scratch: where shards are unpacked; may be deleted when the corpus is built.

    Raises:
        CodecError: nothing there.
    """
    layout, colon, path = source.partition(":")
    if source == "debian":
        debian.fetch(packages)
        return debian.clips(packages)
    if source == "debian-more":
        debian.fetch(packages, debian.MORE_PACKAGES)
        return debian.clips(packages, debian.MORE_PACKAGES)
    if source == "synthetic":
        return synthetic_clips(packages)
    if colon and layout in MADE:
        return MADE[layout](packages, _hours(source))
    if colon and layout == "webdataset":
        return shard_clips(Path(path), scratch)
    if colon and layout in LAYOUTS:
        return layout_clips(layout, Path(path))
    return folder_clips(Path(source))


def _hours(source: str) -> float:
    name, _, text = source.partition(":")
    try:
        hours = float(text)
    except ValueError:
        hours = math.nan
    if not 0 < hours < math.inf:
        raise CodecError(f"source {source}: the hours must be a number above 0, as in {name}:15")
    return hours


def check_source(source: str) -> None:
    """Finds out whether a source of a config can be had, without reading it.

    Raises:
        CodecError: no such folder, one without audio, or a name that is spelled like one of the sources.
    """
    layout, _, _ = source.partition(":")
    place, suffixes = _place(source)
    if place is None:
        if layout in MADE:
            _hours(source)
        return
    if not place.exists():
        known = (*WHOLE, *MADE, "webdataset", *LAYOUTS)
        raise CodecError(f"corpus.sources: no folder {place}{did_you_mean(layout, known) if layout not in known else ''}")
    if place.is_dir() and not any(path.suffix.lower() in suffixes and path.is_file() for path in place.rglob("*")):
        raise CodecError(f"corpus.sources: no {'audio' if suffixes is AUDIO_SUFFIXES else '.tar'} files below {place}")


def linked_folders(source: str) -> int:
    """Folders below a source that are links, which nobody enters."""
    place, suffixes = _place(source)
    return 0 if place is None else passed_over(place, suffixes).linked


def _place(source: str) -> tuple[Path | None, frozenset[str]]:
    """The folder of a source and what it is looked through for; None for what has no folder of its own."""
    layout, colon, path = source.partition(":")
    if source in WHOLE or (colon and layout in MADE):
        return None, AUDIO_SUFFIXES
    if colon and layout == "webdataset":
        return Path(path), SHARDS
    return Path(path if colon and layout in LAYOUTS else source), AUDIO_SUFFIXES
