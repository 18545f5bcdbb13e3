"""FLAC: the number of samples stands at the beginning, or is 0 where that was written to a pipe."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from codec.formats.layout import Layout, Part, Window

STREAM_INFO = re.compile(rb"fLaC[\0\x80]\0\0\x22")
_FRAME = re.compile(rb"\xff[\xf8\xf9]")
HEAD_BYTES = 42
TAIL_BYTES = 1 << 16
"""So far from the end the last whole frame is looked for, if the longest one is not known."""
MAX_FRAME_BYTES = 1 << 20
_BLOCKS = {1: 192, **{n: 576 << (n - 2) for n in range(2, 6)}, **{n: 256 << (n - 8) for n in range(8, 16)}}


@dataclass(frozen=True)
class _Info:
    """Of a stream: its shortest block in samples, its longest frame in bytes (0: not known), its samples (0: likewise)."""

    block: int
    frame_bytes: int
    samples: int


def layout(window: Window, start: int) -> Layout:
    """One part for each of the files that follow each other in this one, each with a number of samples that is true."""
    starts = []
    position = start
    while (found := window.find(STREAM_INFO, position)) >= 0:
        starts.append(found)
        position = found + HEAD_BYTES
    if not starts:
        return Layout((Part(((start, window.size),)),))
    parts, missing = [], []
    for begin, end in zip(starts, [*starts[1:], window.size], strict=True):
        head = window.at(begin, HEAD_BYTES)
        info = _info(head)
        if len(head) < HEAD_BYTES or info is None:
            parts.append(Part(((begin, end),)))
            continue
        there, whole = _samples(window, begin + HEAD_BYTES, end, info)
        if info.samples and (there is None or there >= info.samples):
            parts.append(Part(((begin, end),)))
            continue
        if there is None:
            parts.append(Part(((begin, end),)))
            missing.append("its length is not told, and its last frame is not there")
            continue
        parts.append(Part((_with_samples(head, there), (begin + HEAD_BYTES, end))))
        if info.samples:
            missing.append(f"cut short: {info.samples - there} of {info.samples} samples are missing at the end")
        elif not whole:
            missing.append("cut short within its last frame")
    return Layout(tuple(parts), tuple(missing))


def _info(head: bytes) -> _Info | None:
    if len(head) < HEAD_BYTES:
        return None
    samples = (head[21] & 15) << 32 | int.from_bytes(head[22:26], "big")
    return _Info(int.from_bytes(head[8:10], "big"), int.from_bytes(head[15:18], "big"), samples)


def _with_samples(head: bytes, samples: int) -> bytes:
    """With this number of them, and without the checksum of others."""
    count = (head[21] & 0xF0 | samples >> 32 & 15).to_bytes(1, "big") + (samples & 0xFFFFFFFF).to_bytes(4, "big")
    return head[:21] + count + bytes(16)


def _samples(window: Window, start: int, end: int, info: _Info) -> tuple[int | None, bool]:
    """Up to the end of the last whole frame, None if none is found; and whether nothing comes after it."""
    tail = min(MAX_FRAME_BYTES, 3 * info.frame_bytes or TAIL_BYTES)
    first = max(start, end - tail)
    data = window.at(first, end - first)
    frames = list(_frames(data, info))
    sums = {at: number + block for at, number, block in frames}
    places = [*sums, len(data)]
    # From the end: a frame is one whose checksum fits up to where the next one begins, or up to the end.
    for last in range(len(frames) - 1, -1, -1):
        at = places[last]
        for stop in (len(data), *places[last + 1 : -1]):
            if crc16(data[at:stop]) == 0:
                return sums[at], stop == len(data)
    return None, False


def _frames(data: bytes, info: _Info) -> Iterator[tuple[int, int, int]]:
    """What looks like the beginning of a frame: where, its first sample, its samples."""
    for found in _FRAME.finditer(data):
        head = data[found.start() : found.start() + 16]
        if (header := _header(head, info)) is not None:
            yield found.start(), *header


def _header(head: bytes, info: _Info) -> tuple[int, int] | None:
    """First sample and samples of a frame, if its checksum is right."""
    if len(head) < 16 or head[3] & 1:
        return None
    number, at = _coded_number(head)
    code = head[2] >> 4
    if number is None or code == 0:
        return None
    if code in (6, 7):
        width = code - 5
        block, at = int.from_bytes(head[at : at + width], "big") + 1, at + width
    else:
        block = _BLOCKS[code]
    at += {12: 1, 13: 2, 14: 2}.get(head[2] & 15, 0)
    if at >= 16 or crc8(head[:at]) != head[at]:
        return None
    return (number if head[1] & 1 else number * info.block), block


def _coded_number(head: bytes) -> tuple[int | None, int]:
    """As UTF-8 writes numbers, of up to 36 bits; and where it ends."""
    first = head[4]
    more = next((n for n in range(8) if not first << n & 0x80), 8)
    if more == 0:
        return first, 5
    if more == 1 or more > 7:
        return None, 5
    value = first & (0x7F >> more)
    for byte in head[5 : 4 + more]:
        if byte >> 6 != 2:
            return None, 5
        value = value << 6 | byte & 63
    return value, 4 + more


def _table(polynomial: int, bits: int) -> list[int]:
    top, mask, table = 1 << (bits - 1), (1 << bits) - 1, []
    for byte in range(256):
        value = byte << (bits - 8)
        for _ in range(8):
            value = (value << 1 ^ polynomial if value & top else value << 1) & mask
        table.append(value)
    return table


_CRC8, _CRC16 = _table(0x07, 8), _table(0x8005, 16)


def crc8(data: bytes) -> int:
    """Of a frame's header."""
    value = 0
    for byte in data:
        value = _CRC8[value ^ byte]
    return value


def crc16(data: bytes) -> int:
    """Of a whole frame; 0 if its own sum is included."""
    value = 0
    for byte in data:
        value = (value << 8 & 0xFF00) ^ _CRC16[value >> 8 ^ byte]
    return value
