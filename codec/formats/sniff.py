"""Which format a file has, told by its first bytes."""

from __future__ import annotations

from codec.formats import chunks, flac, mpeg, ogg
from codec.formats.layout import Layout, Part, Window

_WHOLE = {b"NIST_1A\n": 0, b"Creative Voice F": 0}
"""Of no structure that could be checked."""


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
    if any(head.startswith(magic) for magic in _WHOLE):
        return Layout((Part(((0, window.size),)),))
    return mpeg.layout(window, start)
