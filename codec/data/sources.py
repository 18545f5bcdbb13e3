"""What a source in a config means: the free corpus, a folder, shards, or a published dataset's layout."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path

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
        CodecError: no such folder, or a name that is spelled like one of the sources.
    """
    layout, colon, path = source.partition(":")
    if source in WHOLE:
        return
    if colon and layout in MADE:
        _hours(source)
        return
    place = Path(path if colon and (layout == "webdataset" or layout in LAYOUTS) else source)
    if not place.exists():
        known = (*WHOLE, *MADE, "webdataset", *LAYOUTS)
        raise CodecError(f"corpus.sources: no folder {place}{did_you_mean(layout, known) if layout not in known else ''}")
