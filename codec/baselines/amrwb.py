"""AMR-WB (3GPP TS 26.190), speech at 6.6–23.85 kbit/s, through an ``ffmpeg`` that has its encoder."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from codec.baselines.names import CodecName
from codec.baselines.programs import Packed, ProgramCodec, find, finish, run, version_line
from codec.errors import CodecError

PACKAGE = "ffmpeg libavcodec-extra"
ENCODER = "libvo_amrwbenc"
MAGIC = b"#!AMR-WB\n"
FRAME_BITS = {"6.6": 132, "8.85": 177, "12.65": 253, "14.25": 285, "15.85": 317, "18.25": 365, "19.85": 397,
              "23.05": 461, "23.85": 477}  # fmt: skip
"""kbit/s → bits of a 20 ms frame."""


DELAY = 94
"""Samples."""


@dataclass(frozen=True)
class AmrWb:
    """Wide-band speech, frames of 20 ms at 16 kHz.

    Bits are those of speech frames as TS 26.201 counts them: the file's magic, each frame's type byte and its filling up
    to whole bytes are left out; as many frames are made as give the clip back whole.

    The format declares no delay; it is that of the encoder's look-ahead of 5 ms and of the filters to 12.8 kHz and back.

    Attributes:
        kbps: as in ``FRAME_BITS``.
    """

    kbps: str
    sample_rate: int = 16_000
    delay: float = DELAY / 16_000

    @property
    def bitrate(self) -> float:
        return FRAME_BITS[self.kbps] / 0.02

    @property
    def version(self) -> str:
        return f"{version_line(ffmpeg(), '-version')}, {ENCODER}"

    def compress(self, pcm: np.ndarray) -> Packed:
        source = ["-f", "s16le", "-ar", str(self.sample_rate), "-ac", "1", "-i", "pipe:0"]
        target = ["-c:a", ENCODER, "-b:a", str(round(float(self.kbps) * 1000)), "-f", "amr", "pipe:1"]
        data = run([ffmpeg(), "-v", "error", *source, *target], np.pad(pcm, (0, DELAY)).astype("<i2").tobytes())
        return Packed(data, speech_bits(data))

    def expand(self, data: bytes) -> tuple[np.ndarray, int]:
        raw = run(
            [ffmpeg(), "-v", "error", "-protocol_whitelist", "pipe", "-f", "amr", "-i", "pipe:0", "-f", "s16le", "pipe:1"], data
        )
        return np.frombuffer(raw, "<i2"), self.sample_rate


def speech_bits(data: bytes) -> int:
    """Bits of the speech frames in a storage file (RFC 4867 §5); comfort noise has 40, a lost frame none.

    Raises:
        CodecError: not such a file, or cut off.
    """
    if not data.startswith(MAGIC):
        raise CodecError("not an AMR-WB file")
    sizes = [*FRAME_BITS.values(), 40]
    position, bits = len(MAGIC), 0
    while position < len(data):
        kind = data[position] >> 3 & 15
        size = sizes[kind] if kind < len(sizes) else 0
        position += 1 + -(-size // 8)
        bits += size
    if position != len(data):
        raise CodecError("an AMR-WB file is cut off")
    return bits


def ffmpeg() -> str:
    """An ffmpeg that encodes AMR-WB; most builds only decode it.

    Raises:
        CodecError: there is none.
    """
    path = find("ffmpeg", PACKAGE)
    if not _encodes(path):
        raise CodecError(f"ffmpeg is built without the encoder {ENCODER}: apt-get install libavcodec-extra")
    return path


@functools.cache
def _encodes(path: str) -> bool:
    listing = finish("ffmpeg", [path, "-v", "error", "-encoders"])
    return f" {ENCODER} ".encode() in listing.stdout


def open_amrwb(name: CodecName) -> ProgramCodec:
    """``amrwb@6.6``: kbit/s."""
    name.only(1)
    return ProgramCodec(name.text, AmrWb(name.choice(tuple(FRAME_BITS))))
