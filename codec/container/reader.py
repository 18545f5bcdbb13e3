"""Reads ``.sct`` containers, also damaged ones and ones that break off.

Nothing that a file declares is trusted for allocation. What is lost is never more than what is damaged: behind a damaged
chunk reading goes on at the next intact one, and a chunk that breaks off gives the frames that are there.
"""

from __future__ import annotations

import os
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

import numpy as np

from codec.arrays import as_integers, given
from codec.bundled import bundled
from codec.container.entropy import EntropyModel, load_entropy_of
from codec.container.frames import unpack_beginning, unpack_frames
from codec.container.header import MAX_EXTRA_FRAMES, Header
from codec.errors import CodecError, ContainerError, TruncatedError
from codec.tokens import count_frames

if TYPE_CHECKING:
    from torch import Tensor

CHUNK = struct.Struct("<HI")  # frames, CRC-32 of that number, the length and the payload
LENGTH = struct.Struct("<H")  # bytes of the payload, where it is entropy-coded
TRAILER = struct.Struct("<HIQ")  # 0, CRC-32 of the samples field, samples
MAX_SEARCH_BYTES = 64 << 20
"""Looked at in all in search of where a damaged file goes on; every attempt counts as at least a page."""


@dataclass(frozen=True)
class _Piece:
    """A chunk, or the trailer (no frames), as it lies in a stream.

    Attributes:
        frames: that it declares, within what the header allows.
        size: bytes from its beginning to where it says that it ends.
        body: payload or sample count.
        intact: its checksum fits.
        whole: the stream did not end inside it.
    """

    frames: int
    size: int
    body: bytes
    intact: bool
    whole: bool


class ContainerReader:
    """Reads a container chunk by chunk.

    Args:
        source: a binary stream; it need not seek.
        conceal: ``(S,)`` codes of a frame that stands in for damaged ones; without it, damage is an error.
        entropy: tables, if the header names some; default: those of the bundled model.

    Attributes:
        header: its header.
        samples: per channel, known after the last chunk; of a container that breaks off, what its frames cover.
        first, last: the frames that `only` asked for; last is None for the end.
        damaged: numbers of damaged chunks that were concealed.
        cut: with ``conceal``: how the container breaks off, or that more stands behind its end; or empty.
    """

    def __init__(
        self, source: IO[bytes], conceal: Tensor | np.ndarray | None = None, entropy: EntropyModel | None = None
    ) -> None:
        self.header = Header.read(source)
        self.conceal, self.entropy = conceal, entropy
        self.samples: int | None = None
        self.first = 0
        self.last: int | None = None
        self.damaged: list[int] = []
        self.cut = ""
        self._ahead = _Lookahead(source)
        self._search = MAX_SEARCH_BYTES
        self._frames = self._number = self._bytes = 0
        self._trailer: _Piece | None = None

    @property
    def covered(self) -> int:
        """Samples per channel, at the original's rate, that the frames read so far hold."""
        return self._frames * self.header.sample_rate * 1000 // round(self.header.frame_rate * 1000)

    def only(self, first: int, last: int | None) -> None:
        """Asks for some frames, before any chunk is read: chunks before them are passed over, those behind never looked at.

        Args:
            first: frame.
            last: the one behind the last; None: to the end. If it is there, `samples` stays unknown.
        """
        self.first, self.last = first, last
        usual, passed = self.header.chunk_frames, 0
        if self.header.entropy is None:
            size = CHUNK.size + self.header.payload_bytes(usual)
            passed = min(first // usual, max(0, self._ahead.left() - TRAILER.size) // size)
            self._ahead.pass_over(passed * size)
            self._bytes = passed * size
        else:
            while (passed + 1) * usual <= first:
                head = self._ahead.peek(0, CHUNK.size + LENGTH.size)
                if len(head) < CHUNK.size + LENGTH.size or CHUNK.unpack(head[: CHUNK.size])[0] != usual:
                    break
                size = len(head) + int.from_bytes(head[CHUNK.size :], "little")
                self._ahead.pass_over(size)
                self._bytes += size
                passed += 1
        self._number, self._frames = passed, passed * usual

    def chunks(self) -> Iterator[Tensor]:
        """Yields ``(channels, S, n)`` codes, of all frames or of those that `only` asked for.

        Raises:
            ContainerError: damaged, or more frames than the sample count explains.
            TruncatedError: it breaks off; what is there has been yielded.
        """
        for codes in self._codes():
            before = self._frames - codes.shape[2]
            wanted = codes[:, :, max(0, self.first - before) : None if self.last is None else max(0, self.last - before)]
            if wanted.shape[2]:
                yield given(wanted)
            if self.last is not None and self._frames >= self.last:
                self._frames = self.last
                return
        self._finish()

    def _codes(self) -> Iterator[np.ndarray]:
        for piece in self._pieces():
            if piece.intact:
                yield self._unpack(piece)
            elif piece.whole:
                yield self._stand_in(piece.frames)
            elif (beginning := self._beginning(piece)).shape[2]:
                self._frames += beginning.shape[2]
                yield beginning

    def skim(self) -> Iterator[int]:
        """Yields the frames of every chunk, checked but not unpacked: needs no entropy tables.

        Raises:
            ContainerError: as `chunks`.
        """
        for piece in self._pieces():
            if piece.intact:
                yield piece.frames
            elif not piece.whole:
                self._frames += self._beginning(piece).shape[2]
        self._finish()

    def _pieces(self) -> Iterator[_Piece]:
        """Chunks: intact ones, stand-ins for damaged ones, and at last one that breaks off."""
        while (piece := self._piece(0)).frames or not piece.intact:
            if piece.intact:
                self._ahead.skip(piece.size)
                self._bytes += piece.size
                lost = [piece]
            elif (found := self._resume(piece)) is None:
                self.cut = self._how_it_ends(piece)
                if not piece.whole:
                    yield piece
                return
            else:
                lost = [_Piece(frames, 0, b"", intact=False, whole=True) for frames in self._lost(*found)]
                self.damaged += range(self._number, self._number + max(1, len(lost)))
            for part in lost:
                self._frames += part.frames
                self._number += 1
                yield part
        self._trailer = piece

    def _piece(self, at: int) -> _Piece:
        """What begins ``at`` bytes further on in the stream."""
        head = self._ahead.peek(at, CHUNK.size)
        if len(head) < CHUNK.size:
            return _Piece(0, CHUNK.size, b"", intact=False, whole=False)
        declared, checksum = CHUNK.unpack(head)
        if not declared:
            body = self._ahead.peek(at + CHUNK.size, TRAILER.size - CHUNK.size)
            whole = len(body) == TRAILER.size - CHUNK.size
            return _Piece(0, TRAILER.size, body, whole and zlib.crc32(body) == checksum, whole)
        # A count that is too large is itself the damage; all chunks but the last have the same one.
        frames = min(declared, self.header.chunk_frames)
        length = longest = self.header.payload_bytes(frames)
        field = b""
        if self.header.entropy:
            field = self._ahead.peek(at + CHUNK.size, LENGTH.size)
            length = int.from_bytes(field, "little")
        start = CHUNK.size + len(field)
        body = self._ahead.peek(at + start, min(length, longest))
        intact = zlib.crc32(head[:2] + field + body) == checksum and frames == declared and len(body) == length
        whole = len(body) >= min(length, longest) and (not self.header.entropy or len(field) == LENGTH.size)
        return _Piece(frames, start + min(length, longest), body, intact, whole)

    def _unpack(self, piece: _Piece) -> np.ndarray:
        header, frames = self.header, piece.frames
        try:
            if len(piece.body) < header.payload_bytes(frames):
                tables = self._tables()
                codes = tables.unpack(piece.body, frames, header.channels, header.frame_rate, header.codebook_sizes)
            else:
                codes = unpack_frames(piece.body, frames, header.channels, header.codebook_sizes)
        except CodecError:
            raise
        except ValueError as error:
            raise ContainerError(f"chunk {self._number - 1} is not well formed: {error}") from error
        return codes

    def _tables(self) -> EntropyModel:
        tables = self.entropy = self.entropy or shipped_entropy(self.header)
        if tables.id != self.header.entropy:
            raise ValueError("it was coded with other entropy tables")
        return tables

    def _stand_in(self, frames: int) -> np.ndarray:
        assert self.conceal is not None
        return np.tile(as_integers(self.conceal).reshape(1, -1, 1), (self.header.channels, 1, frames))

    def _beginning(self, piece: _Piece) -> np.ndarray:
        """``(channels, S, n)`` codes of a chunk that breaks off; no checksum vouches for them."""
        header = self.header
        nothing = np.zeros((header.channels, len(header.codebook_sizes), 0), np.int64)
        if not piece.frames or not piece.body:
            return nothing
        declared = piece.size - CHUNK.size - LENGTH.size if header.entropy else header.payload_bytes(piece.frames)
        try:
            if declared >= header.payload_bytes(piece.frames):
                return unpack_beginning(piece.body, header.channels, header.codebook_sizes)
            parts = self._tables().unpack_beginning(
                piece.body, piece.frames, header.channels, header.frame_rate, header.codebook_sizes
            )
        except ValueError:
            return nothing
        # Channel follows channel: those that did not come are concealed, or else none goes on beyond the shortest.
        lengths = [part.shape[1] for part in parts]
        if self.conceal is None:
            return np.stack([part[:, : min(lengths)] for part in parts])
        codes = self._stand_in(max(lengths))
        for channel, part in enumerate(parts):
            codes[channel, :, : part.shape[1]] = part
        return codes

    def _lost(self, distance: int, following: _Piece) -> list[int]:
        """Frames of the chunks that ``distance`` bytes of damage held."""
        usual, size = self.header.chunk_frames, CHUNK.size + self.header.payload_bytes(self.header.chunk_frames)
        smallest = CHUNK.size + LENGTH.size + 4 if self.header.entropy else size
        if following.frames or not following.intact:
            # Entropy-coded chunks differ in size: as many as fit on average.
            intact = self._number - len(self.damaged)
            return [usual] * max(1, round(distance / (self._bytes / intact if self.header.entropy and intact else size)))
        # The last chunk may be shorter, and only the end still knows by how much.
        (samples,) = struct.unpack("<Q", following.body)
        frames = count_frames(samples, self.header.sample_rate, self.header.frame_rate) - self._frames
        frames = max(0, min(frames, usual * -(-distance // smallest)))
        return [usual] * (frames // usual) + [frames % usual] * (frames % usual > 0)

    def _resume(self, piece: _Piece) -> tuple[int, _Piece] | None:
        """Skips to where the next piece begins: where the damaged one says, or else the next intact one's beginning.

        Returns:
            How many bytes were skipped and that piece; None: the stream ends here.

        Raises:
            ContainerError: damage that nobody asked to conceal.
        """
        following = self._piece(piece.size)
        goes_on = self._ahead.peek(piece.size, 2) == struct.pack("<H", self.header.chunk_frames)
        if piece.frames and (following.intact or goes_on):
            self._ahead.skip(piece.size)
            found: tuple[int, _Piece] | None = piece.size, following
        else:
            found = self._search_on()
        if self.conceal is None and (found or piece.whole):
            what = f"chunk {self._number} is damaged" if piece.frames else "damaged end"
            raise ContainerError(f"{what} (checksum does not match); decode with --conceal to mute what is damaged")
        return found

    def _search_on(self) -> tuple[int, _Piece] | None:
        """The next intact piece behind the place where the stream stands, which it goes to if there is one."""
        usual = struct.pack("<H", self.header.chunk_frames)
        longest = CHUNK.size + LENGTH.size + self.header.payload_bytes(self.header.chunk_frames)
        passed, size = 0, 2 * longest + TRAILER.size
        while True:
            window = self._ahead.peek(0, size)
            for match in re.finditer(b"(?=" + re.escape(usual) + rb"|\0\0)", window, re.DOTALL):
                following = self._piece(match.start())
                self._search -= 4096 + following.size
                if self._search < 0:
                    return None
                if passed + match.start() and following.intact:
                    self._ahead.skip(match.start())
                    return passed + match.start(), following
            self._search -= len(window)
            if len(window) < size or self._search < 0:
                return None
            self._ahead.skip(size - 1)  # a count may lie across the border
            passed += size - 1

    def _how_it_ends(self, piece: _Piece) -> str:
        what = f"chunk {self._number}" if piece.frames else "the end"
        return f"{what} is damaged, and nothing intact follows" if piece.whole else f"truncated inside {what}"

    def _finish(self) -> None:
        """Sets `samples`.

        Raises:
            ContainerError: the end is missing or does not fit, which nobody asked to conceal, or nothing is there at all.
        """
        self.samples = self.covered
        if self._trailer:
            (samples,) = struct.unpack("<Q", self._trailer.body)
            needed = count_frames(samples, self.header.sample_rate, self.header.frame_rate)
            if needed <= self._frames <= needed + MAX_EXTRA_FRAMES:
                self.samples = samples
            else:
                self.cut = f"{self._frames} frames do not make {samples} samples"
            if self._ahead.peek(self._trailer.size, 1):
                if self.conceal is None:
                    raise ContainerError("there is data behind the end; decode with --conceal to leave it out")
                self.cut = self.cut or "there is data behind the end, which is left out"
        if not self.cut or (self.conceal is not None and self._frames):
            return
        seconds = self.samples / self.header.sample_rate
        advice = f"decode with --conceal for the {seconds:.2f} s that are there" if self._frames else "nothing is there"
        raise (ContainerError if self._trailer else TruncatedError)(f"{self.cut}; {advice}")


class _Lookahead:
    """Looks into a stream without moving on in it."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source, self._held = source, bytearray()

    def peek(self, start: int, size: int) -> bytes:
        """Up to ``size`` bytes, fewer only where the stream ends."""
        while len(self._held) < start + size:
            more = self._source.read(start + size - len(self._held))
            if not more:
                break
            self._held += more
        return bytes(self._held[start : start + size])

    def skip(self, size: int) -> None:
        """Moves on, over what was looked at."""
        del self._held[:size]

    def left(self) -> int:
        """Bytes to the end; 0 where a stream cannot tell."""
        if not self._source.seekable():
            return 0
        here = self._source.tell()
        end = self._source.seek(0, os.SEEK_END)
        self._source.seek(here)
        return end - here + len(self._held)

    def pass_over(self, size: int) -> None:
        """Moves on, over anything."""
        beyond = size - len(self._held)
        self.skip(size)
        if beyond > 0 and self._source.seekable():
            self._source.seek(beyond, os.SEEK_CUR)
        else:
            while beyond > 0 and (passed := self._source.read(min(beyond, 1 << 16))):
                beyond -= len(passed)


def shipped_entropy(header: Header) -> EntropyModel:
    """A bundled model's entropy tables, for a header that names tables when no model is at hand.

    Raises:
        ContainerError: another model's are needed.
    """
    name = bundled(header.model)
    tables = load_entropy_of(name) if name else None
    if tables is None or tables.id != header.entropy:
        raise ContainerError(f"it is coded with the entropy tables of model {header.model}; read it with that model")
    return tables
