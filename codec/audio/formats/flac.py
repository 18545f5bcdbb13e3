"""FLAC: the number of samples stands at the beginning, or is 0 where that was written to a pipe."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from codec.audio.formats.layout import Layout, Part, Window

STREAM_INFO = re.compile(rb"fLaC[\0\x80]\0\0\x22")
_FRAME = re.compile(rb"\xff[\xf8\xf9]")
HEAD_BYTES = 42
TAIL_BYTES = 1 << 16
"""So far from the end the last whole frame is looked for, if the longest one is not known."""
MAX_FRAME_BYTES = 1 << 18
TRIED_FRAMES = 16
"""From the end: hostile files are full of what looks like the beginning of one."""
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
        part, clauses = _stream(window, begin, end)
        parts.append(part)
        missing += clauses
    return Layout(tuple(parts), tuple(missing))


def _stream(window: Window, begin: int, end: int) -> tuple[Part, list[str]]:
    """What to decode of one file, and what is missing of it."""
    head = window.at(begin, HEAD_BYTES)
    as_it_is = Part(((begin, end),))
    if len(head) < HEAD_BYTES:
        return as_it_is, []
    info = _info(head)
    tail = _tail(window, begin + HEAD_BYTES, end, info)
    if tail.samples is None:
        return as_it_is, [] if info.samples else ["its length is not told, and its last frame is not there"]
    if info.samples and info.samples in (tail.samples, tail.begun):
        return as_it_is, []  # if the last frame is not whole, the decoder will tell
    part = Part((_with_samples(head, tail.samples), (begin + HEAD_BYTES, end)))
    if info.samples > tail.samples:
        return part, [f"cut short: {info.samples - tail.samples} of {info.samples} samples are missing at the end"]
    return part, [] if tail.begun == tail.samples else ["cut short within its last frame"]


def _info(head: bytes) -> _Info:
    samples = (head[21] & 15) << 32 | int.from_bytes(head[22:26], "big")
    return _Info(int.from_bytes(head[8:10], "big"), int.from_bytes(head[15:18], "big"), samples)


def _with_samples(head: bytes, samples: int) -> bytes:
    """With this number of them, and without the checksum of others."""
    count = (head[21] & 0xF0 | samples >> 32 & 15).to_bytes(1, "big") + (samples & 0xFFFFFFFF).to_bytes(4, "big")
    return head[:21] + count + bytes(16)


@dataclass(frozen=True)
class _Tail:
    """Samples up to the end of the last whole frame, None if there is none; and to that of the last one that begins."""

    samples: int | None
    begun: int | None


def _tail(window: Window, start: int, end: int, info: _Info) -> _Tail:
    size = min(MAX_FRAME_BYTES, 3 * info.frame_bytes or TAIL_BYTES)
    first = max(start, end - size)
    data = window.at(first, end - first)
    frames = list(_frames(data, info))[-TRIED_FRAMES:]
    ends = [len(data), *([len(data) - 128] if data[-128:-125] == b"TAG" else [])]
    # From the end: a frame is one whose checksum fits up to where the next one begins, or up to the end.
    for last in range(len(frames) - 1, -1, -1):
        at, samples = frames[last]
        value, place = 0, at
        for stop in sorted({*ends, *(following for following, _ in frames[last + 1 :])}):
            value, place = crc16(data[place:stop], value), stop
            if value == 0 and stop > at:
                return _Tail(samples, samples if stop in ends else frames[-1][1])
    return _Tail(None, frames[-1][1] if frames else None)


def _frames(data: bytes, info: _Info) -> Iterator[tuple[int, int]]:
    """What looks like the beginning of a frame: where, and the stream's samples up to its end."""
    for found in _FRAME.finditer(data):
        if (samples := _header(data[found.start() : found.start() + 16], info)) is not None:
            yield found.start(), samples


def _header(head: bytes, info: _Info) -> int | None:
    """Samples up to the end of a frame, if its checksum is right."""
    if len(head) < 6 or head[3] & 1:
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
    if at >= len(head) or crc8(head[:at]) != head[at]:
        return None
    return (number if head[1] & 1 else number * info.block) + block


def _coded_number(head: bytes) -> tuple[int | None, int]:
    """Reads a number of up to 36 bits, coded as UTF-8 codes characters, and where it ends."""
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
    """The checksum of a frame's header."""
    value = 0
    for byte in data:
        value = _CRC8[value ^ byte]
    return value


def crc16(data: bytes, value: int = 0) -> int:
    """The checksum of a frame, or of what follows bytes whose checksum is given; 0 if it covers its own checksum."""
    for byte in data:
        value = (value << 8 & 0xFF00) ^ _CRC16[value >> 8 ^ byte]
    return value
