"""The beginning of a ``.sct`` container: what is in it, and how its chunks are packed."""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass
from typing import IO

from codec.errors import ContainerError
from codec.limits import MAX_CHANNELS, is_sample_rate
from codec.token_spec import USUAL_RATE, TokenSpec
from codec.tokens import Tokens
from quantizers.packing import packed_size

MAGIC = b"\x8bSCT"
VERSION = 1
ENTROPY_CODED, OTHER_RATE = 1, 2
"""Flags: entropy tables are named; the model works at another rate than `USUAL_RATE`, which is told."""
MIN_FRAME_RATE, MAX_FRAME_RATE = 1, 1000
"""Frames per second."""
CHUNK_SECONDS = 10.24
MAX_STREAMS = 6
MAX_CODEBOOK = 1 << 24
MAX_CHUNK_BYTES = 1 << 20
MAX_EXTRA_FRAMES = 9
"""A model may fill up the last block of several frames: the published SemantiCodec adds up to this many."""
MAX_CODED_CHUNK_BYTES = (1 << 16) - 1
"""What an entropy-coded chunk would fill at fixed length: few bytes must not unfold into hours of work."""
_FIXED = struct.Struct("<4sBB8sIBBIH")  # magic, version, flags, model, sample rate, channels, streams, mHz, chunk frames


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
        entropy: the 8 bytes that name the entropy tables, or None for codes of fixed length.
        model_rate: sample rate that the model works at, in Hz.
    """

    model: str
    sample_rate: int
    channels: int
    frame_rate: float
    codebook_sizes: tuple[int, ...]
    chunk_frames: int
    entropy: bytes | None = None
    model_rate: int = USUAL_RATE

    @property
    def spec(self) -> TokenSpec:
        """The specification of the tokens."""
        return TokenSpec(self.codebook_sizes, self.frame_rate, self.model, self.model_rate)

    @property
    def frame_bits(self) -> int:
        """Bits of one frame, all channels."""
        return self.channels * self.spec.bits_per_frame

    def payload_bytes(self, frames: int) -> int:
        """Bytes that a chunk of so many frames fills."""
        return packed_size(frames * self.frame_bits, 1)

    @staticmethod
    def of(tokens: Tokens, entropy: bytes | None = None, chunk_seconds: float = CHUNK_SECONDS) -> Header:
        """The header for tokens whose batch items are channels.

        Raises:
            ContainerError: tokens of another kind of codec.
        """
        streams, millihertz = len(tokens.codebook_sizes), 1000 * tokens.frame_rate
        if streams > MAX_STREAMS or millihertz % 1 or not MIN_FRAME_RATE <= tokens.frame_rate <= MAX_FRAME_RATE:
            about = f"{streams} streams of {tokens.frame_rate:g} frames/s"
            raise ContainerError(f"{about} do not fit into .sct; up to {MAX_STREAMS} of 1 to 1000 frames/s, in whole mHz, do")
        largest = MAX_CODED_CHUNK_BYTES if entropy else MAX_CHUNK_BYTES
        fitting = 8 * largest // (max(1, len(tokens.codes)) * tokens.bits_per_frame)
        return Header(
            tokens.model,
            tokens.sample_rate,
            len(tokens.codes),
            tokens.frame_rate,
            tokens.codebook_sizes,
            max(1, min(round(chunk_seconds * tokens.frame_rate), fitting)),
            entropy,
            tokens.model_rate,
        )

    def pack(self) -> bytes:
        """The header's bytes, CRC included."""
        model = bytes.fromhex(self.model) if re.fullmatch("[0-9a-f]{16}", self.model) else b""
        if not model or not 1 <= self.channels <= MAX_CHANNELS:
            raise ContainerError(f"cannot write {self.channels} channels of model {self.model!r}")
        other = self.model_rate != USUAL_RATE
        body = _FIXED.pack(
            MAGIC, VERSION, (ENTROPY_CODED if self.entropy else 0) | (OTHER_RATE if other else 0), model, self.sample_rate,
            self.channels, len(self.codebook_sizes), round(self.frame_rate * 1000), self.chunk_frames,
        )  # fmt: skip
        body += b"".join(struct.pack("<I", size) for size in self.codebook_sizes)
        body += (struct.pack("<I", self.model_rate) if other else b"") + (self.entropy or b"")
        return body + struct.pack("<I", zlib.crc32(body))

    @staticmethod
    def read(source: IO[bytes]) -> Header:
        """Reads and checks a header.

        Raises:
            ContainerError: not this format, a newer version, or damaged.
        """
        fixed = read_exactly(source, _FIXED.size, "the header")
        magic, version, flags, model, sample_rate, channels, streams, millihertz, frames = _FIXED.unpack(fixed)
        if magic != MAGIC:
            raise ContainerError("not a .sct file")
        if version != VERSION or flags & ~(ENTROPY_CODED | OTHER_RATE):
            raise ContainerError(
                f"format version {version} flags {flags} is newer than this program reads ({VERSION}); update it"
            )
        if not 1 <= streams <= MAX_STREAMS:
            raise ContainerError(f"damaged header: {streams} streams")
        numbers, named = streams + bool(flags & OTHER_RATE), 8 if flags & ENTROPY_CODED else 0
        rest = read_exactly(source, 4 * numbers + named + 4, "the header")
        if zlib.crc32(fixed + rest[:-4]) != struct.unpack("<I", rest[-4:])[0]:
            raise ContainerError("damaged header: checksum does not match")
        sizes = struct.unpack_from(f"<{streams}I", rest)
        model_rate = struct.unpack_from("<I", rest, 4 * streams)[0] if flags & OTHER_RATE else USUAL_RATE
        entropy = rest[4 * numbers : -4] or None
        sane = 1 <= channels <= MAX_CHANNELS and all(2 <= size <= MAX_CODEBOOK for size in sizes)
        sane = sane and is_sample_rate(sample_rate) and is_sample_rate(model_rate) and frames > 0
        if not sane or not MIN_FRAME_RATE <= millihertz / 1000 <= MAX_FRAME_RATE:
            raise ContainerError("damaged header: impossible values")
        header = Header(model.hex(), sample_rate, channels, millihertz / 1000, sizes, frames, entropy, model_rate)
        if header.payload_bytes(frames) > (MAX_CODED_CHUNK_BYTES if entropy else MAX_CHUNK_BYTES):
            raise ContainerError("damaged header: chunks larger than the format allows")
        return header


def read_exactly(source: IO[bytes], size: int, what: str) -> bytes:
    """``size`` bytes, also from a pipe that gives fewer at a time.

    Raises:
        ContainerError: the stream ends before.
    """
    data = source.read(size)
    while len(data) < size:  # pipes give short reads
        more = source.read(size - len(data))
        if not more:
            raise ContainerError(f"truncated inside {what}")
        data += more
    return data
