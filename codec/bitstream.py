"""The ``.sct`` container, written down byte by byte in ``docs/container.md``.

Header, then chunks of 10.24 s with their own frame count and CRC-32, then a trailer with the number of samples, so that
a stream can be written before its end is known. Nothing that a file declares is trusted for allocation.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

import numpy as np
import torch
from torch import Tensor

from codec.errors import ContainerError
from codec.limits import MAX_CHANNELS, is_sample_rate
from codec.tokens import Tokens, count_frames
from quantizers.packing import bits_for, packed_size, unpack_bits

MAGIC = b"\x8bSCT"
VERSION = 1
CHUNK_SECONDS = 10.24
MAX_CODEBOOK = 1 << 24
MAX_CHUNK_BYTES = 1 << 20
MAX_EXTRA_FRAMES = 9
"""A model may fill up the last block of several frames: the published SemantiCodec adds up to this many."""
_FIXED = struct.Struct("<4sBB8sIBBIH")  # magic, version, flags, model, sample rate, channels, streams, mHz, chunk frames
_CHUNK = struct.Struct("<HI")  # frames, CRC-32 of that number and the payload
_TRAILER = struct.Struct("<HIQ")  # 0, CRC-32 of the samples field, samples


@dataclass(frozen=True)
class Header:
    """What stands at the beginning of a container.

    Attributes:
        model: fingerprint, 16 hexadecimal digits.
        sample_rate: of the original audio in Hz.
        channels: independent channels.
        frame_rate: frames per second.
        codebook_sizes: of each stream.
        chunk_frames: frames in every chunk but the last.
    """

    model: str
    sample_rate: int
    channels: int
    frame_rate: float
    codebook_sizes: tuple[int, ...]
    chunk_frames: int

    @property
    def frame_bits(self) -> int:
        """Bits of one frame, all channels."""
        return self.channels * sum(bits_for(size) for size in self.codebook_sizes)

    def payload_bytes(self, frames: int) -> int:
        """Bytes that a chunk of so many frames fills."""
        return packed_size(frames * self.frame_bits, 1)

    @staticmethod
    def of(tokens: Tokens) -> Header:
        """The header for tokens whose batch items are channels.

        Raises:
            ContainerError: tokens of another kind of codec.
        """
        if tokens.model_rate != 16_000 or len(tokens.codebook_sizes) > 2:
            streams = len(tokens.codebook_sizes)
            rate = f"{tokens.model_rate} Hz"
            raise ContainerError(f"{streams} streams of a codec at {rate} do not fit into .sct; one or two at 16 kHz do")
        frames = max(1, round(CHUNK_SECONDS * tokens.frame_rate))
        return Header(tokens.model, tokens.sample_rate, len(tokens.codes), tokens.frame_rate, tokens.codebook_sizes, frames)

    def pack(self) -> bytes:
        """The header's bytes, CRC included."""
        model = bytes.fromhex(self.model)
        if len(model) != 8 or not 1 <= self.channels <= MAX_CHANNELS:
            raise ContainerError(f"cannot write {self.channels} channels of model {self.model!r}")
        body = _FIXED.pack(
            MAGIC, VERSION, 0, model, self.sample_rate, self.channels, len(self.codebook_sizes),
            round(self.frame_rate * 1000), self.chunk_frames,
        )  # fmt: skip
        body += b"".join(struct.pack("<I", size) for size in self.codebook_sizes)
        return body + struct.pack("<I", zlib.crc32(body))

    @staticmethod
    def read(source: IO[bytes]) -> Header:
        """Reads and checks a header.

        Raises:
            ContainerError: not this format, a newer version, or damaged.
        """
        fixed = _read_exactly(source, _FIXED.size, "the header")
        magic, version, flags, model, sample_rate, channels, streams, millihertz, frames = _FIXED.unpack(fixed)
        if magic != MAGIC:
            raise ContainerError("not a .sct file")
        if version != VERSION or flags:
            raise ContainerError(
                f"format version {version} flags {flags} is newer than this program reads ({VERSION}); update it"
            )
        if streams not in (1, 2):
            raise ContainerError(f"damaged header: {streams} streams")
        rest = _read_exactly(source, 4 * streams + 4, "the header")
        if zlib.crc32(fixed + rest[:-4]) != struct.unpack("<I", rest[-4:])[0]:
            raise ContainerError("damaged header: checksum does not match")
        sizes = struct.unpack(f"<{streams}I", rest[:-4])
        sane = 1 <= channels <= MAX_CHANNELS and all(2 <= size <= MAX_CODEBOOK for size in sizes)
        header = Header(model.hex(), sample_rate, channels, millihertz / 1000, sizes, frames) if sane else None
        if header is None or not (is_sample_rate(sample_rate) and 1_000 <= millihertz <= 1_000_000 and frames):
            raise ContainerError("damaged header: impossible values")
        if header.payload_bytes(frames) > MAX_CHUNK_BYTES:
            raise ContainerError("damaged header: chunks larger than the format allows")
        return header


class Sink(Protocol):
    """Anything that takes bytes."""

    def write(self, data: bytes, /) -> object: ...


class ContainerWriter:
    """Writes codes as they come.

    Args:
        target: a binary stream; it need not seek.
        header: of the container.
    """

    def __init__(self, target: Sink, header: Header) -> None:
        self.header, self._target = header, target
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
        count = struct.pack("<H", codes.shape[2])
        self._target.write(count + struct.pack("<I", zlib.crc32(count + payload)) + payload)


class ContainerReader:
    """Reads a container chunk by chunk.

    Args:
        source: a binary stream; it need not seek.
        conceal: ``(S,)`` codes of a frame that stands in for damaged ones; without it, damage is an error.

    Attributes:
        header: its header.
        samples: per channel, known after the last chunk.
        damaged: numbers of damaged chunks that were concealed.
    """

    def __init__(self, source: IO[bytes], conceal: Tensor | None = None) -> None:
        self.header = Header.read(source)
        self.conceal = conceal
        self.samples: int | None = None
        self.damaged: list[int] = []
        self._source = source

    def chunks(self) -> Iterator[Tensor]:
        """Yields ``(channels, S, n)`` codes.

        Raises:
            ContainerError: damaged or truncated, or more frames than the sample count explains.
        """
        frames = 0
        number = 0
        while True:
            head = _read_exactly(self._source, _CHUNK.size, f"chunk {number}")
            declared, checksum = _CHUNK.unpack(head)
            if declared == 0:
                self._finish(checksum, frames)
                return
            codes = self._chunk(number, declared, checksum)
            frames += codes.shape[2]
            number += 1
            yield codes

    def _chunk(self, number: int, declared: int, checksum: int) -> Tensor:
        header = self.header
        # A count that is too large is itself the damage; all chunks but the last have the same one.
        frames = min(declared, header.chunk_frames)
        payload = _read_exactly(self._source, header.payload_bytes(frames), f"chunk {number}")
        if zlib.crc32(struct.pack("<H", declared) + payload) == checksum and declared == frames:
            try:
                return torch.from_numpy(unpack_frames(payload, frames, header.channels, header.codebook_sizes))
            except ValueError as error:
                raise ContainerError(f"chunk {number} is not well formed: {error}") from error
        if self.conceal is None:
            raise ContainerError(f"chunk {number} is damaged (checksum does not match); decode with --conceal to mute it")
        return self._stand_in(number, frames)

    def _stand_in(self, number: int, frames: int) -> Tensor:
        assert self.conceal is not None
        self.damaged.append(number)
        return self.conceal.view(1, -1, 1).expand(self.header.channels, -1, frames).clone()

    def _finish(self, checksum: int, frames: int) -> None:
        length = _read_exactly(self._source, _TRAILER.size - _CHUNK.size, "the end")
        (samples,) = struct.unpack("<Q", length)
        if zlib.crc32(length) != checksum:
            raise ContainerError("damaged end: checksum does not match")
        needed = count_frames(samples, self.header.sample_rate, self.header.frame_rate)
        if not needed <= frames <= needed + MAX_EXTRA_FRAMES:
            raise ContainerError(f"{frames} frames do not make {samples} samples")
        if self._source.read(1):
            raise ContainerError("there is data behind the end")
        self.samples = samples


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
    flat = unpack_bits(payload, frames * channels * sum(widths), 1).astype(np.uint8)
    table = flat.reshape(frames, channels, sum(widths)).transpose(1, 0, 2)
    codes = np.zeros((channels, len(widths), frames), np.int64)
    for stream, (size, stop) in enumerate(zip(codebook_sizes, np.cumsum(widths), strict=True)):
        width = widths[stream]
        codes[:, stream] = table[..., stop - width : stop] @ (1 << np.arange(width)[::-1])
        if (codes[:, stream] >= size).any():
            raise ValueError(f"codes outside 0 … {size - 1}")
    return codes


def save(tokens: Tokens, path: str | os.PathLike[str]) -> None:
    """Writes tokens to a ``.sct`` file; batch items become channels and must be equally long.

    Raises:
        ContainerError: items of different length, or more than 64.
    """
    if len(set(tokens.lengths.tolist())) != 1:
        raise ContainerError("items of a container are channels and must have one length; save each with tokens.item(i)")
    from codec.atomic import atomic_write

    with atomic_write(Path(path)) as target:
        writer = ContainerWriter(target, Header.of(tokens))
        writer.push(tokens.codes)
        writer.close(int(tokens.lengths[0]))


def read(path: str | os.PathLike[str]) -> Tokens:
    """Reads a whole ``.sct`` file.

    Raises:
        ContainerError: it is not one, or is damaged.
    """
    try:
        with open(path, "rb") as source:
            reader = ContainerReader(source)
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
    )


def _read_exactly(source: IO[bytes], size: int, what: str) -> bytes:
    data = source.read(size)
    while len(data) < size:  # pipes give short reads
        more = source.read(size - len(data))
        if not more:
            raise ContainerError(f"truncated inside {what}")
        data += more
    return data
