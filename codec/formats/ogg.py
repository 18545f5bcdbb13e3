"""Ogg: pages that carry a number, so that it shows when some are missing; several files may follow each other in one."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from codec.formats.layout import Layout, Part, Window

HEADER_BYTES = 27
_PAGE = re.compile(rb"OggS\0[\0-\7]")
FIRST, LAST = 2, 4
"""Flags of the pages that begin and end a stream."""


@dataclass
class _Link:
    """One file of a chain: streams that begin together.

    Attributes:
        start: in bytes.
        numbers: of the last page by stream.
        open: streams whose last page has not come.
        lost: pages whose numbers are left out.
    """

    start: int
    numbers: dict[bytes, int] = field(default_factory=dict)
    open: set[bytes] = field(default_factory=set)
    lost: int = 0


def layout(window: Window, start: int) -> Layout:
    """The links of a chain, each as a part of its own: libsndfile would read the first."""
    links, end, foreign = _walk(window, start)
    missing = []
    for number, link in enumerate(links):
        where = "" if len(links) == 1 else f"stream {number + 1} of {len(links)}: "
        if link.lost:
            missing.append(f"{where}{link.lost} pages are missing in its middle")
        if link.open:
            missing.append(f"{where}cut short: its last page is missing")
    if foreign and not missing:
        missing.append(f"{foreign} bytes between its pages are no Ogg")
    ends = [*(link.start for link in links[1:]), end]
    parts = tuple(Part(((link.start, stop),)) for link, stop in zip(links, ends, strict=True))
    return Layout(parts or (Part(((start, window.size),)),), tuple(missing))


def _walk(window: Window, position: int) -> tuple[list[_Link], int, int]:
    """The links, where the last whole page ends, and how many bytes between pages belong to none."""
    links: list[_Link] = []
    foreign, end, beginning = 0, position, False
    while (position := window.find(_PAGE, position)) >= 0:
        head = window.at(position, HEADER_BYTES)
        size = HEADER_BYTES + head[26] if len(head) == HEADER_BYTES else window.size
        size += sum(window.at(position + HEADER_BYTES, head[26])) if position + size <= window.size else 0
        if position + size > window.size:
            position += 4
            continue
        foreign += position - end
        if head[5] & FIRST and not beginning:
            links.append(_Link(position))
        beginning = bool(head[5] & FIRST)
        if links:
            _count(links[-1], head)
        position = end = position + size
    return links, end, foreign


def _count(link: _Link, head: bytes) -> None:
    serial, number = head[14:18], int.from_bytes(head[18:22], "little")
    if serial in link.numbers:
        link.lost += max(0, number - link.numbers[serial] - 1)
    link.numbers[serial] = number
    if head[5] & LAST:
        link.open.discard(serial)
    else:
        link.open.add(serial)
