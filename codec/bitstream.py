"""The ``.sct`` container, written down byte by byte in ``docs/container.md``.

Header, then chunks of 10.24 s with their own frame count and CRC-32, then a trailer with the number of samples, so that
a stream can be written before its end is known. Nothing that a file declares is trusted for allocation.
"""

from __future__ import annotations

import os
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Protocol

import numpy as np
import torch
from torch import Tensor

from codec.entropy import EntropyModel
from codec.errors import CodecError, ContainerError
from codec.header import MAX_EXTRA_FRAMES, Header
from codec.tokens import Tokens, count_frames
from quantizers.packing import bits_for, packed_size

_CHUNK = struct.Struct("<HI")  # frames, CRC-32 of that number, the length and the payload
_LENGTH = struct.Struct("<H")  # bytes of the payload, where it is entropy-coded
_TRAILER = struct.Struct("<HIQ")  # 0, CRC-32 of the samples field, samples
MAX_SEARCH_BYTES = 64 << 20
"""Looked at in all in search of where a damaged file goes on; every attempt counts as at least a page."""


class Sink(Protocol):
    """Anything that takes bytes."""

    def write(self, data: bytes, /) -> object: ...


class ContainerWriter:
    """Writes codes as they come.

    Args:
        target: a binary stream; it need not seek.
        header: of the container.
        entropy: the tables that the header names, if it names any.
    """

    def __init__(self, target: Sink, header: Header, entropy: EntropyModel | None = None) -> None:
        if header.entropy != (entropy.id if entropy else None):
            raise ContainerError("these are not the entropy tables that the header names")
        self.header, self._target, self._entropy = header, target, entropy
        self._waiting = np.zeros((self.header.channels, len(self.header.codebook_sizes), 0), np.int64)
        target.write(self.header.pack())

    def push(self, codes: Tensor) -> None:
        """Appends ``(channels, S, n)`` codes; whole chunks are written at once."""
        self._waiting = np.concatenate([self._waiting, codes.cpu().numpy()], axis=2)
        while self._waiting.shape[2] >= self.header.chunk_frames:
            self._write(self._waiting[:, :, : self.header.chunk_frames])
            self._waiting = self._waiting[:, :, self.header.chunk_frames :]

    def close(self, samples: int) -> None:
        """Writes what is left and the trailer; the stream itself stays open."""
        if self._waiting.shape[2]:
            self._write(self._waiting)
        length = struct.pack("<Q", samples)
        self._target.write(_TRAILER.pack(0, zlib.crc32(length), samples))

    def _write(self, codes: np.ndarray) -> None:
        payload = pack_frames(codes, self.header.codebook_sizes)
        head = struct.pack("<H", codes.shape[2])
        if self._entropy:
            coded = self._entropy.pack(codes, self.header.frame_rate, self.header.codebook_sizes)
            # What does not become smaller stays at its fixed length, and is known by it.
            payload = coded if len(coded) < len(payload) else payload
            head += _LENGTH.pack(len(payload))
        self._target.write(head[:2] + struct.pack("<I", zlib.crc32(head + payload)) + head[2:] + payload)


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
        samples: per channel, known after the last chunk.
        damaged: numbers of damaged chunks that were concealed.
    """

    def __init__(self, source: IO[bytes], conceal: Tensor | None = None, entropy: EntropyModel | None = None) -> None:
        self.header = Header.read(source)
        self.conceal, self.entropy = conceal, entropy
        self.samples: int | None = None
        self.damaged: list[int] = []
        self._ahead = _Lookahead(source)
        self._search = MAX_SEARCH_BYTES

    def chunks(self) -> Iterator[Tensor]:
        """Yields ``(channels, S, n)`` codes.

        Raises:
            ContainerError: damaged or truncated, or more frames than the sample count explains.
        """
        for number, piece in self._pieces():
            yield self._unpack(piece, number) if piece.intact else self._stand_in(piece.frames)

    def skim(self) -> Iterator[int]:
        """Yields the frames of every chunk, checked but not unpacked: needs no entropy tables.

        Raises:
            ContainerError: as `chunks`.
        """
        for _, piece in self._pieces():
            yield piece.frames

    def _pieces(self) -> Iterator[tuple[int, _Piece]]:
        frames = number = 0
        while (piece := self._piece(0)).frames or not piece.intact:
            if piece.intact:
                self._ahead.skip(piece.size)
            else:
                piece = replace(piece, frames=self._skip_damage(piece, number, frames))
            yield number, piece
            frames += piece.frames
            number += 1
        self._finish(piece, frames)

    def _piece(self, at: int) -> _Piece:
        """What begins ``at`` bytes further on in the stream."""
        head = self._ahead.peek(at, _CHUNK.size)
        if len(head) < _CHUNK.size:
            return _Piece(0, _CHUNK.size, b"", intact=False, whole=False)
        declared, checksum = _CHUNK.unpack(head)
        if not declared:
            body = self._ahead.peek(at + _CHUNK.size, _TRAILER.size - _CHUNK.size)
            whole = len(body) == _TRAILER.size - _CHUNK.size
            return _Piece(0, _TRAILER.size, body, whole and zlib.crc32(body) == checksum, whole)
        # A count that is too large is itself the damage; all chunks but the last have the same one.
        frames = min(declared, self.header.chunk_frames)
        length = longest = self.header.payload_bytes(frames)
        field = b""
        if self.header.entropy:
            field = self._ahead.peek(at + _CHUNK.size, _LENGTH.size)
            length = int.from_bytes(field, "little")
        start = _CHUNK.size + len(field)
        body = self._ahead.peek(at + start, min(length, longest))
        intact = zlib.crc32(head[:2] + field + body) == checksum and frames == declared and len(body) == length
        return _Piece(frames, start + min(length, longest), body, intact, whole=len(body) >= min(length, longest))

    def _unpack(self, piece: _Piece, number: int) -> Tensor:
        header, frames = self.header, piece.frames
        try:
            if len(piece.body) < header.payload_bytes(frames):
                tables = self.entropy = self.entropy or shipped_entropy(header)
                if tables.id != header.entropy:
                    raise ValueError("it was coded with other entropy tables")
                codes = tables.unpack(piece.body, frames, header.channels, header.frame_rate, header.codebook_sizes)
            else:
                codes = unpack_frames(piece.body, frames, header.channels, header.codebook_sizes)
        except CodecError:
            raise
        except ValueError as error:
            raise ContainerError(f"chunk {number} is not well formed: {error}") from error
        return torch.from_numpy(codes)

    def _stand_in(self, frames: int) -> Tensor:
        assert self.conceal is not None
        return self.conceal.view(1, -1, 1).expand(self.header.channels, -1, frames).clone()

    def _skip_damage(self, piece: _Piece, number: int, before: int) -> int:
        """Moves to where the stream goes on; returns the frames that are lost."""
        what = f"chunk {number}" if piece.frames else "the end"
        following = None if self.conceal is None else self._resume(piece)
        if following is None:
            if not piece.whole:
                raise ContainerError(f"truncated inside {what}")
            if not piece.frames:
                raise ContainerError("damaged end: checksum does not match")
            advice = "decode with --conceal to mute it" if self.conceal is None else "nothing tells where the file goes on"
            raise ContainerError(f"{what} is damaged (checksum does not match); {advice}")
        frames = self.header.chunk_frames
        if not following.frames:
            # The last chunk may be shorter, and only the end still knows by how much.
            (samples,) = struct.unpack("<Q", following.body)
            frames = count_frames(samples, self.header.sample_rate, self.header.frame_rate) - before
            if not 0 < frames <= self.header.chunk_frames:
                raise ContainerError(f"{what} is damaged, and more is missing than it held")
        self.damaged.append(number)
        return frames

    def _resume(self, piece: _Piece) -> _Piece | None:
        """Skips to where the next piece begins: where the damaged one says, or else the next intact one's beginning."""
        usual = struct.pack("<H", self.header.chunk_frames)
        following = self._piece(piece.size)
        goes_on = following.frames and self._ahead.peek(piece.size, 2) == usual
        if piece.frames and (following.intact or goes_on):
            self._ahead.skip(piece.size)
            return following
        longest = _CHUNK.size + _LENGTH.size + self.header.payload_bytes(self.header.chunk_frames)
        window = self._ahead.peek(0, 2 * longest + _TRAILER.size)
        for match in re.finditer(b"(?=" + re.escape(usual) + rb"|\0\0)", window, re.DOTALL):
            following = self._piece(match.start())
            self._search -= 4096 + following.size
            if self._search < 0:
                return None
            if match.start() and following.intact:
                self._ahead.skip(match.start())
                return following
        return None

    def _finish(self, piece: _Piece, frames: int) -> None:
        (samples,) = struct.unpack("<Q", piece.body)
        needed = count_frames(samples, self.header.sample_rate, self.header.frame_rate)
        if not needed <= frames <= needed + MAX_EXTRA_FRAMES:
            raise ContainerError(f"{frames} frames do not make {samples} samples")
        if self._ahead.peek(piece.size, 1):
            raise ContainerError("there is data behind the end")
        self.samples = samples


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
        """Moves on."""
        del self._held[:size]


def shipped_entropy(header: Header) -> EntropyModel:
    """The bundled model's entropy tables, for a header that names tables when no model is at hand.

    Raises:
        ContainerError: another model's are needed.
    """
    from codec.hub import load_entropy_of

    tables = load_entropy_of("default")
    if tables.id != header.entropy:
        raise ContainerError(f"it is coded with the entropy tables of model {header.model}; read it with that model")
    return tables


def pack_frames(codes: np.ndarray, codebook_sizes: tuple[int, ...]) -> bytes:
    """Packs ``(channels, S, n)`` codes frame by frame: per channel, semantic then acoustic, each at its own width."""
    widths = [bits_for(size) for size in codebook_sizes]
    for stream, size in enumerate(codebook_sizes):
        if codes[:, stream].size and not 0 <= codes[:, stream].min() <= codes[:, stream].max() < size:
            raise ContainerError(f"stream {stream} holds codes outside 0 … {size - 1}")
    bits = [
        np.unpackbits(codes[:, s].astype(">u4")[..., None].view(np.uint8), axis=-1)[..., 32 - w :] for s, w in enumerate(widths)
    ]
    table = np.concatenate(bits, axis=-1)  # (channels, n, bits of a frame)
    return np.packbits(table.transpose(1, 0, 2).reshape(-1)).tobytes()


def unpack_frames(payload: bytes, frames: int, channels: int, codebook_sizes: tuple[int, ...]) -> np.ndarray:
    """Undoes `pack_frames`.

    Raises:
        ValueError: unused bits are set, or a code lies outside its codebook.
    """
    widths = [bits_for(size) for size in codebook_sizes]
    count = frames * channels * sum(widths)
    flat = np.unpackbits(np.frombuffer(payload, np.uint8))
    if len(payload) != packed_size(count, 1) or flat[count:].any():
        raise ValueError("unused bits are not zero")
    table = flat[:count].reshape(frames, channels, sum(widths)).transpose(1, 0, 2)
    codes = np.zeros((channels, len(widths), frames), np.int64)
    for stream, (size, stop) in enumerate(zip(codebook_sizes, np.cumsum(widths), strict=True)):
        width = widths[stream]
        codes[:, stream] = table[..., stop - width : stop] @ (1 << np.arange(width)[::-1])
        if (codes[:, stream] >= size).any():
            raise ValueError(f"codes outside 0 … {size - 1}")
    return codes


def save(tokens: Tokens, path: str | os.PathLike[str], entropy: EntropyModel | None = None) -> None:
    """Writes tokens to a ``.sct`` file; batch items become channels and must be equally long.

    Args:
        tokens: what `Codec.encode` returns.
        path: of the file.
        entropy: tables for entropy coding, `Codec.entropy`; default: codes of fixed length.

    Raises:
        ContainerError: items of different length, or more than 64.
    """
    if len(set(tokens.lengths.tolist())) != 1:
        raise ContainerError("items of a container are channels and must have one length; save each with tokens.item(i)")
    from codec.atomic import atomic_write

    with atomic_write(Path(path)) as target:
        writer = ContainerWriter(target, Header.of(tokens, entropy.id if entropy else None), entropy)
        writer.push(tokens.codes)
        writer.close(int(tokens.lengths[0]))


def read(path: str | os.PathLike[str], entropy: EntropyModel | None = None) -> Tokens:
    """Reads a whole ``.sct`` file.

    Args:
        path: of the file.
        entropy: tables of the model that made it, if they are not the bundled model's.

    Raises:
        ContainerError: it is not one, or is damaged.
    """
    try:
        with open(path, "rb") as source:
            reader = ContainerReader(source, entropy=entropy)
            codes = list(reader.chunks())
    except OSError as error:
        raise ContainerError(f"{os.fspath(path)}: {error.strerror}") from error
    except ContainerError as error:
        raise ContainerError(f"{os.fspath(path)}: {error}") from error
    header = reader.header
    assert reader.samples is not None
    empty = torch.zeros(header.channels, len(header.codebook_sizes), 0, dtype=torch.int64)
    whole = torch.cat([empty, *codes], dim=2)
    needed = count_frames(reader.samples, header.sample_rate, header.frame_rate)
    return Tokens(
        codes=whole,
        counts=None if whole.shape[2] == needed else torch.full((header.channels,), whole.shape[2]),
        lengths=torch.full((header.channels,), reader.samples),
        sample_rate=header.sample_rate,
        frame_rate=header.frame_rate,
        codebook_sizes=header.codebook_sizes,
        model=header.model,
        model_rate=header.model_rate,
    )
