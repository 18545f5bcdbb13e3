"""MP4, MOV, M4A, 3GP: an index that often comes last, where a pipe cannot wait for it.

Such a file is shown with its index (``moov``) first, as ``qt-faststart`` writes it; the index counts bytes from the
beginning of the file, so that every number in it grows by its own length.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

import numpy as np

from codec.audio.formats.layout import Piece, Window

MAX_INDEX_BYTES = 1 << 28
_TYPES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
_HOLDERS = (b"trak", b"mdia", b"minf", b"stbl")
"""Boxes from the index down to the tables of places, one in the other."""
_PLACES = {b"stco": ">u4", b"co64": ">u8"}
"""Tables of places, and what their numbers are."""


def is_mp4(head: bytes) -> bool:
    """Whether a file that begins so is one."""
    return head[4:8] in _TYPES


def index_first(window: Window) -> tuple[Piece, ...]:
    """The file's pieces in an order that can be read without seeking; as they are, if there is no whole index."""
    found: dict[bytes, tuple[int, int]] = {}
    for name, start, end in _boxes(window):
        found.setdefault(name, (start, end))
    whole: tuple[Piece, ...] = ((0, window.size),)
    if b"moov" not in found or b"mdat" not in found or found[b"moov"] < found[b"mdat"]:
        return whole
    start, end = found[b"moov"]
    if end > window.size or end - start > MAX_INDEX_BYTES:
        return whole
    index = bytearray(window.at(start, end - start))
    _shift(index, 8, len(index), len(index))
    begin = found[b"ftyp"][1] if b"ftyp" in found and found[b"ftyp"][0] == 0 else 0
    return (0, begin), bytes(index), (begin, start), (end, window.size)


def another(window: Window) -> int:
    """Bytes of a second file that follows the first in the same one."""
    starts = [start for name, start, _ in _boxes(window) if name == b"ftyp"]
    return window.size - starts[1] if len(starts) > 1 else 0


def _boxes(window: Window) -> Iterator[tuple[bytes, int, int]]:
    """Those of the outermost level: name, where they begin and end."""
    position = 0
    while len(head := window.at(position, 16)) >= 8:
        size, name = struct.unpack_from(">I4s", head)
        if size == 1 and len(head) == 16:
            size = struct.unpack_from(">Q", head, 8)[0]
        end = position + size if size else window.size
        if end < position + 8:
            return
        yield name, position, end
        position = end


def _shift(index: bytearray, start: int, end: int, by: int, holders: Sequence[bytes] = _HOLDERS) -> None:
    """Adds to all places of samples between two places of the index.

    Args:
        index: changed in place.
        start: of the boxes of one level.
        end: of them.
        by: what is added.
        holders: names of the boxes that lead to the places, one a level; any other nesting is left alone.
    """
    while start + 8 <= end:
        size, name = struct.unpack_from(">I4s", index, start)
        stop = start + size
        if size < 8 or stop > end:
            return
        if holders and name == holders[0]:
            _shift(index, start + 8, stop, by, holders[1:])
        elif not holders and name in _PLACES and size >= 16:
            form = np.dtype(_PLACES[name])
            count = min(struct.unpack_from(">I", index, start + 12)[0], (size - 16) // form.itemsize)
            places = np.frombuffer(index, form, count, start + 16)
            places += form.type(by)  # wraps around where the file lies
        start = stop
