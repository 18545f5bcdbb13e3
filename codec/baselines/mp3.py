"""MPEG audio layer III through ``lame``."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from codec.audio.formats.mpeg import KBPS, Header, is_information, parse
from codec.baselines.names import CodecName
from codec.baselines.programs import Packed, ProgramCodec, find, run, version_line
from codec.errors import CodecError

PACKAGE = "lame"
ENCODER_DELAY = 576
"""Samples of the stream."""
_UNTAGGED = {8: 8_000, 16: 16_000, 24: 16_000, 32: 22_050, 40: 24_000}
"""kbit/s at which frames are too small for the encoder's tag → sample rate that ``lame`` chooses there, for mono."""
RATES = tuple(sorted({kbps for kbps in (*KBPS[1, 3], *KBPS[2, 2]) if kbps}))
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
        return Packed(data, 8 * sum(len(frame) for header, frame in frames(data) if not is_information(frame, header)))

    def expand(self, data: bytes) -> tuple[np.ndarray, int]:
        with tempfile.TemporaryDirectory(prefix="codec-mp3-") as folder:
            source, target = Path(folder, "in.mp3"), Path(folder, "out.wav")
            source.write_bytes(data)
            run([find("lame", PACKAGE), "--quiet", "--decode", source, target])
            pcm, rate = soundfile.read(target, dtype="int16")
        return np.asarray(pcm), int(rate)


def frames(data: bytes) -> Iterator[tuple[Header, bytes]]:
    """Frames of a layer III stream (ISO 11172-3 §2.4.2.3, 13818-3, and MPEG 2.5).

    Raises:
        CodecError: something else stands where a frame should begin.
    """
    position = 0
    while position < len(data):
        header = parse(data[position : position + 4])
        if header is None or header.layer != 3:
            raise CodecError("not an MPEG layer III stream")
        frame = data[position : position + header.size]
        if len(frame) < header.size:
            raise CodecError("an MP3 frame is cut off")
        yield header, frame
        position += header.size


def open_mp3(name: CodecName) -> ProgramCodec:
    """``mp3@8``: kbit/s."""
    name.only(1)
    return ProgramCodec(name.text, Mp3(int(name.choice(tuple(map(str, RATES))))))
