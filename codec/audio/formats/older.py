"""NIST SPHERE, in which many speech corpora come, and Creative's VOC: their size stands at the beginning, too."""

from __future__ import annotations

import re

from codec.audio.formats.layout import Layout, Part, Window

MAX_BLOCKS = 100_000
_FIELD = re.compile(rb"^(sample_count|channel_count|sample_n_bytes) -i (\d{1,12})", re.MULTILINE)
_SOUND = (1, 2, 9)
"""Blocks of a VOC file that hold samples."""


def layout(window: Window) -> Layout | None:
    """A file of one of these formats, or None."""
    head = window.at(0, 26)
    if head.startswith(b"NIST_1A\n"):
        size = _nist(window)
    elif head.startswith(b"Creative Voice File\x1a"):
        size = _voc(window, int.from_bytes(head[20:22], "little"))
    else:
        return None
    lost = max(0, size - window.size)
    missing = (f"cut short: {lost} of {size} bytes are missing at the end",) if lost else ()
    return Layout((Part(((0, window.size),)),), missing)


def _nist(window: Window) -> int:
    """Bytes that there are to be; 0 if that is not told."""
    start = window.at(8, 8).strip()
    header = window.at(0, min(int(start), 1 << 16)) if start.isdigit() else b""
    fields = {name: int(value) for name, value in _FIELD.findall(header)}
    if len(fields) < 3 or b"embedded" in header:  # such samples are compressed
        return 0
    return len(header) + fields[b"sample_count"] * fields[b"channel_count"] * fields[b"sample_n_bytes"]


def _voc(window: Window, position: int) -> int:
    """Bytes up to the end of the last block that begins."""
    for _ in range(MAX_BLOCKS):
        head = window.at(position, 4)
        if not head or head[0] == 0 or len(head) < 4:
            break
        end = position + 4 + int.from_bytes(head[1:], "little")
        if end > window.size and head[0] not in _SOUND:
            break
        position = end
    return position
