"""Formats made of named chunks of declared size, one of which holds the samples: wav, RF64, W64, AIFF, CAF, and au.

A recorder that is killed leaves a size of 0 or a placeholder behind, a pipe a placeholder: the audio then goes on to the end of
the file. A file that ends before its declared size is cut.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain

from codec.audio.formats.layout import Layout, Part, Window

MAX_CHUNKS = 10_000
_W64_RIFF = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00"
_W64_DATA = b"data\xf3\xac\xd3\x11\x8c\xd1\0\xc0\x4f\x8e\xdb\x8a"
_UNKNOWN = 0xFFFFFFFF
_WHOLE_SAMPLES = (1, 3, 6, 7, 0xFFFE)
"""Tags of wav formats in which a block is one sample of every channel: linear, float, A-law, µ-law, and "told elsewhere"."""


@dataclass(frozen=True)
class _Chunk:
    """One chunk: where it begins, where its body does, and how long that declares to be."""

    name: bytes
    start: int
    body: int
    size: int


def is_placeholder(size: int) -> bool:
    """Whether a declared size of 32 bits stands for "not known yet".

    0 and 2³² − 1 are usual; sox and arecord write numbers around 2³¹, others the largest multiple of a block.
    """
    return size == 0 or abs(size - (1 << 31)) <= 1 << 16 or (1 << 32) - size <= 1 << 16


def layout(window: Window, head: bytes) -> Layout | None:
    """A file of one of these formats, or None."""
    magic = head[:4]
    if magic in (b"RIFF", b"RIFX", b"RF64") and head[8:12] == b"WAVE":
        return _wav(window, magic)
    if magic == b"FORM" and head[8:12] in (b"AIFF", b"AIFC", b"8SVX", b"16SV"):
        return _plain(window, _chunks(window, 12, ">4sI"), (b"SSND", b"BODY"), magic)
    if magic == b"caff" and head[8:12] == b"desc":
        return _plain(window, _chunks(window, 8, ">4sQ", align=1), (b"data",), magic)
    if head == _W64_RIFF:
        return _plain(window, _chunks(window, 40, "<16sQ", align=8, own=24), (_W64_DATA,), head)
    if magic in (b".snd", b"dns.") and len(head) >= 12:
        start, size = struct.unpack(">II" if magic == b".snd" else "<II", head[4:12])
        return _plain(window, iter([_Chunk(b"data", 0, start, size)]), (b"data",), magic)
    return None


def _chunks(window: Window, position: int, form: str, align: int = 2, own: int = 0) -> Iterator[_Chunk]:
    """All chunks, as far as their sizes lead; ``own``: bytes of the chunk's head that its size counts, too."""
    width = struct.calcsize(form)
    for _ in range(MAX_CHUNKS):
        if len(raw := window.at(position, width)) < width:
            return
        name, size = struct.unpack(form, raw)
        body = position + width
        yield _Chunk(name, position, body, max(0, size - own))
        position = body + -(-max(0, size - own) // align) * align


def _plain(window: Window, chunks: Iterator[_Chunk], names: tuple[bytes, ...], magic: bytes) -> Layout:
    """A file that is decoded as it is, up to where another of its kind begins."""
    for chunk in chunks:
        if chunk.name in names:
            missing = _cut(window, chunk.body, chunk.size)
            begin = None if missing else _another(window, chunk, chunks, magic)
            return _until(window, begin) if begin else Layout((Part(((0, window.size),)),), missing)
    return Layout((Part(((0, window.size),)),))


def _another(window: Window, audio: _Chunk, chunks: Iterator[_Chunk], magic: bytes) -> int | None:
    """Where another file begins behind this one's last chunk."""
    end = audio.body + audio.size
    for chunk in chunks:
        if chunk.name[: len(magic)] == magic:
            return chunk.start
        end = chunk.body + chunk.size
    return end if window.at(end, len(magic)) == magic else None


def _until(window: Window, begin: int) -> Layout:
    rest = window.size - begin
    return Layout((Part(((0, begin),)),), (f"another file of {rest} bytes follows in the same one, and is not read",))


def _cut(window: Window, start: int, size: int) -> tuple[str, ...]:
    there = max(0, window.size - start)
    if size <= there or is_placeholder(size) or size >= 1 << 63:
        return ()
    return (f"cut short: {size - there} of {size} bytes of audio are missing at the end",)


def _wav(window: Window, magic: bytes) -> Layout:
    order = ">" if magic == b"RIFX" else "<"
    sizes: _Chunk | None = None
    sample_bytes = 1
    before: list[tuple[int, int]] = []
    chunks = _chunks(window, 12, f"{order}4sI")
    for chunk in chunks:
        if chunk.name == b"ds64":
            sizes = chunk
        elif chunk.name != b"data":
            if chunk.name == b"fmt ":
                sample_bytes = _sample_bytes(window.at(chunk.body, 14), order)
            before.append((chunk.start, min(window.size, chunk.body + chunk.size + chunk.size % 2)))
        elif (size := _size_of(window, chunk, sizes)) is not None:
            audio = _Chunk(b"data", chunk.start, chunk.body, size)
            rest = chunks if size == chunk.size else _chunks(window, chunk.body + size + size % 2, f"{order}4sI")
            found = _plain(window, chain((audio,), rest), (b"data",), magic)
            return replace(found, missing=found.missing or ends_within(size, sample_bytes))
        elif (there := window.size - chunk.body) and not _is_chunk(window, chunk.body, order):
            pieces = (*_begin(order, there, before), (chunk.body, window.size))
            return Layout((Part(pieces),), ends_within(there, sample_bytes))
        else:
            break
    return Layout((Part(((0, window.size),)),))


def _sample_bytes(form: bytes, order: str) -> int:
    """Bytes of one sample of every channel; 1 where blocks hold many samples, or the chunk too little."""
    tag, block = struct.unpack(f"{order}H10xH", form) if len(form) == 14 else (0, 1)
    return max(1, block) if tag in _WHOLE_SAMPLES else 1


def ends_within(size: int, sample_bytes: int) -> tuple[str, ...]:
    """What is to be said of so many bytes of audio, if they end within a sample of all channels.

    Example:
        >>> ends_within(7, 4)
        ('ends within a sample: its last 3 of 4 bytes are left out',)
    """
    rest = size % sample_bytes
    return (f"ends within a sample: its last {rest} of {sample_bytes} bytes are left out",) if rest else ()


def _size_of(window: Window, chunk: _Chunk, sizes: _Chunk | None) -> int | None:
    """Declared bytes of audio, None for a placeholder."""
    size = chunk.size
    if sizes is not None and size == _UNKNOWN and len(raw := window.at(sizes.body, 16)) == 16:
        size = struct.unpack("<8xQ", raw)[0]
        return None if size in (0, (1 << 64) - 1) else size
    return None if is_placeholder(size) else size


def _is_chunk(window: Window, position: int, order: str) -> bool:
    """Whether a chunk of text or the like lies here, and fills the rest of the file: there is no audio, then."""
    end = position
    for chunk in _chunks(window, position, f"{order}4sI"):
        if not (chunk.name.isascii() and chunk.name.decode("ascii").isprintable()):
            return False
        end = chunk.body + chunk.size
    return end in (window.size, window.size - 1, window.size + 1)


def _begin(order: str, size: int, before: list[tuple[int, int]]) -> tuple[bytes | tuple[int, int], ...]:
    """Everything up to the samples, with their size put right."""
    length = sum(end - start for start, end in before)
    if size + length + 28 < _UNKNOWN:
        riff = b"RIFX" if order == ">" else b"RIFF"
        return (
            riff + struct.pack(f"{order}I", size + length + 12) + b"WAVE",
            *before,
            b"data" + struct.pack(f"{order}I", size),
        )
    sizes = struct.pack("<4sIQQQI", b"ds64", 28, size + length + 48, size, 0, 0)
    return b"RF64" + struct.pack("<I", _UNKNOWN) + b"WAVE" + sizes, *before, b"data" + struct.pack("<I", _UNKNOWN)
