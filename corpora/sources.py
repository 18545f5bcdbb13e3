"""What a source in a config means: the free corpus, a folder, shards, or a published dataset's layout."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from codec.errors import CodecError
from corpora import debian
from corpora.clip import Clip, LeftOut
from corpora.folder import folder_clips
from corpora.layouts import LAYOUTS, layout_clips
from corpora.shards import shard_clips
from corpora.synthetic import synthetic_clips


def clips_of(source: str, packages: Path, scratch: Path) -> Iterator[Clip | LeftOut]:
    """Clips of ``debian``, ``synthetic``, ``kokoro:HOURS``, ``FOLDER``, ``webdataset:FOLDER`` or ``LAYOUT:FOLDER``.

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
    if source == "synthetic":
        return synthetic_clips(packages)
    if colon and layout == "kokoro":
        from corpora.speech import kokoro_clips

        return kokoro_clips(packages, _hours(path))
    if colon and layout == "webdataset":
        return shard_clips(Path(path), scratch)
    if colon and layout in LAYOUTS:
        return layout_clips(layout, Path(path))
    return folder_clips(Path(source))


def _hours(text: str) -> float:
    try:
        hours = float(text)
    except ValueError:
        hours = math.nan
    if not 0 < hours < math.inf:
        raise CodecError(f"source kokoro:{text}: the hours of speech must be a number above 0, as in kokoro:15")
    return hours
