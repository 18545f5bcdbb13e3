"""Which format a file has, told by its first bytes."""

from __future__ import annotations

from codec.audio.formats import chunks, flac, mpeg, ogg, older
from codec.audio.formats.layout import Layout, Window


def layout_of(window: Window) -> Layout | None:
    """How a file is laid out.

    A decoder is only ever given what is known here: libsndfile looks for other files beside one that it does not know.

    Returns:
        None: nothing that libsndfile reads.
    """
    start = mpeg.after_tags(window)
    head = window.at(start, 16)
    if head[:4] == b"fLaC":
        return flac.layout(window, start)
    if head[:4] == b"OggS":
        return ogg.layout(window, start)
    if (found := chunks.layout(window, head)) if not start else None:
        return found
    if (found := older.layout(window)) if not start else None:
        return found
    return mpeg.layout(window, start)
