"""The ``.sct`` container, written down byte by byte in ``docs/container.md``.

Header, then chunks of 10.24 s with their own frame count and CRC-32, then a trailer with the number of samples, so that
a stream can be written before its end is known. Nothing that a file declares is trusted for allocation.
"""

from __future__ import annotations

import math
import os
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from codec.arrays import as_array, as_integers, given
from codec.container.entropy import EntropyModel
from codec.container.frames import pack_frames, unpack_frames
from codec.container.header import Header
from codec.container.part import Part
from codec.container.reader import LENGTH, TRAILER, ContainerReader
from codec.errors import ContainerError
from codec.tokens import Tokens, count_frames

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ContainerReader", "ContainerWriter", "Sink", "pack_frames", "read", "save", "unpack_frames"]


class Sink(Protocol):
    """Anything that takes bytes."""

    def write(self, data: bytes, /) -> object: ...


class ContainerWriter:
    """Writes codes as they come.

    Args:
        target: a binary stream; it need not seek.
        header: of the container.
        entropy: the tables that the header names, if it names any.
        wait: write the header with the first chunk: where nothing comes, nothing is left that looks like a container.
    """

    def __init__(self, target: Sink, header: Header, entropy: EntropyModel | None = None, wait: bool = False) -> None:
        if header.entropy != (entropy.id if entropy else None):
            raise ContainerError("these are not the entropy tables that the header names")
        self.header, self._target, self._entropy = header, target, entropy
        self._waiting = np.zeros((self.header.channels, len(self.header.codebook_sizes), 0), np.int64)
        self._beginning = header.pack()
        if not wait:
            self._send(b"")

    def push(self, codes: Tensor | np.ndarray) -> None:
        """Appends ``(channels, S, n)`` codes; whole chunks are written at once."""
        self._waiting = np.concatenate([self._waiting, as_integers(codes)], axis=2)
        while self._waiting.shape[2] >= self.header.chunk_frames:
            self._write(self._waiting[:, :, : self.header.chunk_frames])
            self._waiting = self._waiting[:, :, self.header.chunk_frames :]

    def close(self, samples: int) -> None:
        """Writes what is left and the trailer; the stream itself stays open."""
        if self._waiting.shape[2]:
            self._write(self._waiting)
        length = struct.pack("<Q", samples)
        self._send(TRAILER.pack(0, zlib.crc32(length), samples))

    def _write(self, codes: np.ndarray) -> None:
        payload = pack_frames(codes, self.header.codebook_sizes)
        head = struct.pack("<H", codes.shape[2])
        if self._entropy:
            coded = self._entropy.pack(codes, self.header.frame_rate, self.header.codebook_sizes)
            # What does not become smaller stays at its fixed length, and is known by it.
            payload = coded if len(coded) < len(payload) else payload
            head += LENGTH.pack(len(payload))
        self._send(head[:2] + struct.pack("<I", zlib.crc32(head + payload)) + head[2:] + payload)

    def _send(self, data: bytes) -> None:
        self._target.write(self._beginning + data)
        self._beginning = b""


def save(tokens: Tokens, path: str | os.PathLike[str], entropy: EntropyModel | None = None) -> None:
    """Writes tokens to a ``.sct`` file; batch items become channels and must be equally long. Padding is not written.

    Args:
        tokens: what `Codec.encode` returns.
        path: of the file.
        entropy: tables for entropy coding, `Codec.entropy`; default: codes of fixed length.

    Raises:
        ContainerError: items of different length, more than 64, fewer frames than the length needs, or a name that promises
            another format.
    """
    from codec.atomic import atomic_write
    from codec.container.arrays import SUFFIXES

    if Path(path).suffix.lower() in SUFFIXES:
        raise ContainerError(f"{os.fspath(path)}: this writes .sct containers; codec encode --format writes other files")
    counts = set(tokens.frames.tolist())
    if len(set(tokens.lengths.tolist())) != 1 or len(counts) != 1:
        raise ContainerError("items of a container are channels and must have one length; save each with tokens.item(i)")
    frames = counts.pop()
    if tokens.codes.shape[2] < frames:
        raise ContainerError(f"{tokens.codes.shape[2]} frames, fewer than the {frames} that the length needs")
    with atomic_write(Path(path)) as target:
        writer = ContainerWriter(target, Header.of(tokens, entropy.id if entropy else None), entropy)
        writer.push(tokens.codes[:, :, :frames])
        writer.close(int(tokens.lengths[0]))


def read(
    path: str | os.PathLike[str], start: float = 0.0, stop: float | None = None, entropy: EntropyModel | None = None
) -> Tokens:
    """Reads a ``.sct`` file, or the part of it between two times, of which only the chunks are read that it needs.

    The codes are those of ``read(path).slice(start, stop)``. That slice knows everything before it, and so it is decoded to the
    samples of the whole file, in as much time. A part that was read knows 2 s on either side: its sound takes no longer than it
    lasts, and differs in where oscillators and noise begin, which samples tell and ears do not.

    Args:
        path: of the file.
        start: in seconds.
        stop: in seconds; default: the end.
        entropy: tables of the model that made it, if they are not the bundled model's.

    Raises:
        ContainerError: it is not one, or is damaged.
        CodecError: times before the beginning, or in the wrong order.
    """
    part = Part(start, stop)
    try:
        with open(path, "rb") as source:
            reader = ContainerReader(source, entropy=entropy)
            return _tokens(reader, part)
    except OSError as error:
        raise ContainerError(f"{os.fspath(path)}: {error.strerror or error}") from error
    except ContainerError as error:
        raise type(error)(f"{os.fspath(path)}: {error}") from error


def _tokens(reader: ContainerReader, part: Part) -> Tokens:
    header = reader.header
    is_whole = part == Part()
    if not is_whole:
        reader.only(*part.in_context(header.spec, header.sample_rate))
    nothing = np.zeros((header.channels, len(header.codebook_sizes), 0), np.int64)
    codes = np.concatenate([nothing, *map(as_array, reader.chunks())], axis=2)
    frames, per_frame = codes.shape[2], header.spec.samples_per_frame(header.sample_rate)
    samples = math.floor(frames * per_frame)
    if reader.samples is not None:
        samples = max(0, reader.samples - math.floor(reader.first * per_frame))
    needed = count_frames(samples, header.sample_rate, header.frame_rate)
    tokens = Tokens(
        codes=given(codes),
        counts=None if frames == needed else given(np.full(header.channels, frames)),
        lengths=given(np.full(header.channels, samples)),
        sample_rate=header.sample_rate,
        frame_rate=header.frame_rate,
        codebook_sizes=header.codebook_sizes,
        model=header.model,
        model_rate=header.model_rate,
    )
    if is_whole:
        return tokens
    first, last = part.frames(header.frame_rate)
    return tokens.between(min(first - reader.first, frames), frames if last is None else min(last - reader.first, frames))
