"""MPEG audio layer III through ``lame``."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from codec.baselines.names import CodecName
from codec.baselines.programs import Packed, ProgramCodec, find, run, version_line
from codec.errors import CodecError

PACKAGE = "lame"
_KBPS_V1 = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_KBPS_V2 = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
ENCODER_DELAY = 576
"""Samples of the stream."""
_UNTAGGED = {8: 8_000, 16: 16_000, 24: 16_000, 32: 22_050, 40: 24_000}
"""kbit/s at which frames are too small for the encoder's tag → sample rate that ``lame`` chooses there, for mono."""
RATES = tuple(sorted({*_KBPS_V1, *_KBPS_V2}))
"""kbit/s that exist."""


@dataclass(frozen=True)
class Mp3:
    """Mono at a constant bitrate; the program chooses the sample rate that suits it.

    Bits are those of whole MPEG frames, their 4-byte headers included, since no decoder works without them. The frame
    that only holds the encoder's tag does not count. Where such a tag fits into a frame it declares the encoder's delay, and
    ``lame --decode`` takes that out; elsewhere it takes out its own decoder's, and the encoder's 576 samples stay.

    Attributes:
        kbps: one of ``RATES``.
    """

    kbps: int
    sample_rate: int = 48_000

    @property
    def delay(self) -> float:
        return ENCODER_DELAY / _UNTAGGED[self.kbps] if self.kbps in _UNTAGGED else 0.0

    @property
    def bitrate(self) -> float:
        return self.kbps * 1000.0

    @property
    def version(self) -> str:
        return version_line(find("lame", PACKAGE))

    def compress(self, pcm: np.ndarray) -> Packed:
        with tempfile.TemporaryDirectory(prefix="codec-mp3-") as folder:
            source, target = Path(folder, "in.wav"), Path(folder, "out.mp3")
            soundfile.write(source, pcm, self.sample_rate, "PCM_16")
            run([find("lame", PACKAGE), "--quiet", "--cbr", "-b", str(self.kbps), "-m", "m", source, target])
            data = target.read_bytes()
        return Packed(data, 8 * sum(len(frame) for frame in frames(data) if not _is_tag(frame)))

    def expand(self, data: bytes) -> tuple[np.ndarray, int]:
        with tempfile.TemporaryDirectory(prefix="codec-mp3-") as folder:
            source, target = Path(folder, "in.mp3"), Path(folder, "out.wav")
            source.write_bytes(data)
            run([find("lame", PACKAGE), "--quiet", "--decode", source, target])
            pcm, rate = soundfile.read(target, dtype="int16")
        return np.asarray(pcm), int(rate)


def frames(data: bytes) -> Iterator[bytes]:
    """Frames of a layer III stream (ISO 11172-3 §2.4.2.3, 13818-3, and MPEG 2.5).

    Raises:
        CodecError: something else stands where a frame should begin.
    """
    position = 0
    while position < len(data):
        size = _frame_size(data[position : position + 4])
        if position + size > len(data):
            raise CodecError("an MP3 frame is cut off")
        yield data[position : position + size]
        position += size


def _frame_size(header: bytes) -> int:
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE6 != 0xE2:
        raise CodecError("not an MPEG layer III stream")
    version, bitrate, rate, padding = header[1] >> 3 & 3, header[2] >> 4, header[2] >> 2 & 3, header[2] >> 1 & 1
    if version == 1 or not 1 <= bitrate <= 14 or rate == 3:
        raise CodecError("an MP3 frame header with reserved values")
    kbps = (_KBPS_V1 if version == 3 else _KBPS_V2)[bitrate - 1]
    return (144_000 if version == 3 else 72_000) * kbps // _RATES[version][rate] + padding


def _is_tag(frame: bytes) -> bool:
    """Whether a mono frame holds nothing but what encoders tell about the file."""
    side = 17 if frame[1] >> 3 & 3 == 3 else 9
    return frame[4 + side : 8 + side] in (b"Xing", b"Info")


def open_mp3(name: CodecName) -> ProgramCodec:
    """``mp3@8``: kbit/s."""
    name.only(1)
    return ProgramCodec(name.text, Mp3(int(name.choice(tuple(map(str, RATES))))))
