"""Ogg: pages that carry a number and a checksum, so that it shows when some are missing; files may follow each other in one."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass, field

from codec.audio.formats.layout import Layout, Part, Window

HEADER_BYTES = 27
_PAGE = re.compile(rb"OggS\0[\0-\7]")
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
FIRST, LAST = 2, 4
"""Flags of the pages that begin and end a stream."""


@dataclass
class _Link:
    """One file of a chain: streams that begin together.

    Attributes:
        pages: where runs of whole pages begin and end.
        numbers: of the last page by stream.
        open: streams whose last page has not come.
        lost: pages whose numbers are left out.
    """

    pages: list[tuple[int, int]] = field(default_factory=list)
    numbers: dict[bytes, int] = field(default_factory=dict)
    open: set[bytes] = field(default_factory=set)
    lost: int = 0


def layout(window: Window, start: int) -> Layout:
    """The links of a chain, each as a part of its own: libsndfile would read the first."""
    links, foreign = _walk(window, start)
    missing = []
    for number, link in enumerate(links):
        where = "" if len(links) == 1 else f"stream {number + 1} of {len(links)}: "
        if link.lost:
            missing.append(f"{where}pages are missing or damaged in its middle ({link.lost})")
        if link.open:
            missing.append(f"{where}cut short: its last page is missing")
    if foreign and not missing:
        missing.append(f"{foreign} bytes between its pages are no Ogg")
    parts = tuple(Part(tuple(link.pages)) for link in links)
    return Layout(parts or (Part(((start, window.size),)),), tuple(missing))


def _walk(window: Window, position: int) -> tuple[list[_Link], int]:
    """The links, and how many bytes between whole pages belong to none."""
    links: list[_Link] = []
    foreign, end, beginning = 0, position, False
    while (position := window.find(_PAGE, position)) >= 0:
        page = _page(window, position)
        if not page:
            position += 4
            continue
        foreign += position - end
        first = bool(page[5] & FIRST)
        if first and not beginning:
            links.append(_Link())
        beginning = first
        end = position + len(page)
        if links:
            _count(links[-1], page, position)
        position = end
    return links, foreign


def _page(window: Window, position: int) -> bytes:
    """A whole page whose checksum is right, or nothing."""
    head = window.at(position, HEADER_BYTES)
    sizes = window.at(position + HEADER_BYTES, head[26]) if len(head) == HEADER_BYTES else b""
    size = HEADER_BYTES + len(sizes) + sum(sizes)
    page = window.at(position, size)
    if len(page) < size or len(head) < HEADER_BYTES or len(sizes) < head[26]:
        return b""
    return page if crc32(page[:22] + bytes(4) + page[26:]) == int.from_bytes(page[22:26], "little") else b""


def crc32(data: bytes) -> int:
    """The checksum of Ogg pages: zlib's polynomial with the bits the other way round, never inverted."""
    return int(f"{zlib.crc32(data.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF:032b}"[::-1], 2)


def _count(link: _Link, page: bytes, start: int) -> None:
    serial, number = page[14:18], int.from_bytes(page[18:22], "little")
    if serial in link.numbers:
        link.lost += max(0, number - link.numbers[serial] - 1)
    link.numbers[serial] = number
    if page[5] & LAST:
        link.open.discard(serial)
    else:
        link.open.add(serial)
    if link.pages and link.pages[-1][1] == start:
        link.pages[-1] = link.pages[-1][0], start + len(page)
    else:
        link.pages.append((start, start + len(page)))
