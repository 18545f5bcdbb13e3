"""What is known of a file before it is decoded, and files put together from parts of others."""

from __future__ import annotations

import io
import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

BLOCK_BYTES = 1 << 18
PATTERN_BYTES = 16
Piece = bytes | tuple[int, int]
"""Bytes as they are, or from where to where in a file."""


@dataclass(frozen=True)
class Part:
    """One stream, to be decoded from its beginning to its end.

    Attributes:
        pieces: what a decoder is shown; mostly the file as it is.
        samples: of each channel that there must be, where that is known better than a decoder knows it.
    """

    pieces: tuple[Piece, ...]
    samples: int | None = None


@dataclass(frozen=True)
class Layout:
    """A file's streams, one after the other.

    Attributes:
        parts: in their order.
        missing: what is known to be lost, a clause each.
    """

    parts: tuple[Part, ...]
    missing: tuple[str, ...] = ()


class Window:
    """Bytes of a file at any position, read in blocks.

    Args:
        handle: of the file; whoever else reads it must seek.
    """

    def __init__(self, handle: BinaryIO) -> None:
        self._handle, self._start, self._block = handle, 0, b""
        self.size = handle.seek(0, io.SEEK_END)

    def at(self, start: int, count: int) -> bytes:
        """``count`` bytes, fewer at the end of the file."""
        if start >= self.size:  # declared sizes may lead beyond what a file can have
            return b""
        count = min(count, self.size - start)
        first = start - self._start
        if not 0 <= first <= len(self._block) - count:
            self._handle.seek(start)
            self._start, first = start, 0
            self._block = self._handle.read(max(count, BLOCK_BYTES))
        return self._block[first : first + count]

    def find(self, pattern: re.Pattern[bytes], start: int, end: int | None = None) -> int:
        """Where something comes next that begins before ``end`` and is at most `PATTERN_BYTES` long; −1 for nowhere."""
        end = self.size if end is None else min(end, self.size)
        while start < end:
            block = self.at(start, min(BLOCK_BYTES, end - start + PATTERN_BYTES))
            if found := pattern.search(block):
                return start + found.start() if start + found.start() < end else -1
            if len(block) <= PATTERN_BYTES:
                return -1
            start += len(block) - PATTERN_BYTES
        return -1


class Spliced(io.RawIOBase):
    """A file that is read from pieces of another.

    Args:
        handle: of the other file.
        pieces: in their order.
    """

    def __init__(self, handle: BinaryIO, pieces: Sequence[Piece]) -> None:
        self._handle, self._pieces = handle, pieces
        self._ends: list[int] = []
        for piece in pieces:
            size = len(piece) if isinstance(piece, bytes) else piece[1] - piece[0]
            self._ends.append(size + (self._ends[-1] if self._ends else 0))
        self._position = 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Moves to a position, as files do."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._ends[-1] if self._ends else 0}[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        """Where reading goes on."""
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fills the buffer, across pieces, as far as there is something."""
        view = memoryview(buffer).cast("B")
        done = 0
        while done < len(view):
            number = bisect_right(self._ends, self._position)
            if number == len(self._ends):
                break
            data = self._of(number, len(view) - done)
            if not data:
                break
            view[done : done + len(data)] = data
            done += len(data)
            self._position += len(data)
        return done

    def _of(self, number: int, count: int) -> bytes:
        piece = self._pieces[number]
        count = min(count, self._ends[number] - self._position)
        offset = self._position - (self._ends[number - 1] if number else 0)
        if isinstance(piece, bytes):
            return piece[offset : offset + count]
        self._handle.seek(piece[0] + offset)
        return self._handle.read(count)
