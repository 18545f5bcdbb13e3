"""Opus (RFC 6716) through ``opusenc`` and ``opusdec``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from codec.baselines.names import CodecName
from codec.baselines.ogg import packets
from codec.baselines.programs import Packed, ProgramCodec, find, run, version_line

PACKAGE = "opus-tools"


@dataclass(frozen=True)
class Opus:
    """Mono; the program varies the rate of single packets around the one asked for, its default.

    Bits are those of the audio packets; Ogg pages and the two header packets are left out. The encoder's delay is declared
    in the file (pre-skip) and taken out by the decoder, as is the filling at the end.

    Attributes:
        kbps: 6 … 256.
    """

    kbps: float
    sample_rate: int = 48_000
    delay: float = 0.0

    @property
    def bitrate(self) -> float:
        return self.kbps * 1000

    @property
    def version(self) -> str:
        return version_line(find("opusenc", PACKAGE))

    def compress(self, pcm: np.ndarray) -> Packed:
        raw = ["--raw", "--raw-rate", str(self.sample_rate), "--raw-chan", "1", "--raw-bits", "16"]
        rate = ["--vbr", "--bitrate", f"{self.kbps:g}"]
        data = run([find("opusenc", PACKAGE), "--quiet", *raw, *rate, "-", "-"], pcm.astype("<i2").tobytes())
        return Packed(data, 8 * sum(len(packet) for packet in packets(data)[2:]))

    def expand(self, data: bytes) -> tuple[np.ndarray, int]:
        raw = run([find("opusdec", PACKAGE), "--quiet", "--no-dither", "--rate", str(self.sample_rate), "-", "-"], data)
        return np.frombuffer(raw, "<i2"), self.sample_rate


def open_opus(name: CodecName) -> ProgramCodec:
    """``opus@6``: kbit/s."""
    name.only(1)
    kbps = float(name.values[0]) if name.values and name.values[0].replace(".", "", 1).isdecimal() else 0.0
    if not 6 <= kbps <= 256:
        raise name.refuse("write opus@ and kbit/s between 6 and 256")
    return ProgramCodec(name.text, Opus(kbps))
