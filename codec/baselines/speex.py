"""Speex, narrow-band speech at 2.15–24.6 kbit/s, through ``speexenc`` and ``speexdec``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from codec.baselines.names import CodecName
from codec.baselines.ogg import packets
from codec.baselines.programs import Packed, ProgramCodec, find, run, version_line

PACKAGE = "speex"
FRAME = 160
"""Samples."""
QUALITY = {"2.15": 0, "3.95": 1, "5.95": 2, "8": 3, "11": 5, "15": 7, "18.2": 9, "24.6": 10}
"""kbit/s of the narrow-band modes → the program's quality."""


@dataclass(frozen=True)
class Speex:
    """Constant bitrate, frames of 20 ms at 8 kHz.

    Bits are frames × bits of the mode: filling up to whole bytes, Ogg pages and the two header packets are left out. The
    program encodes one frame more than the audio has, because of its look-ahead, and that frame counts. The look-ahead
    is declared in the file (granule position) and the program's decoder takes it out.

    Attributes:
        kbps: as in ``QUALITY``.
    """

    kbps: str
    sample_rate: int = 8_000

    @property
    def bitrate(self) -> float:
        return float(self.kbps) * 1000

    @property
    def version(self) -> str:
        return version_line(find("speexenc", PACKAGE))

    def compress(self, pcm: np.ndarray) -> Packed:
        raw = ["--rate", str(self.sample_rate), "--16bit", "--le"]
        arguments = [find("speexenc", PACKAGE), "-n", "--quality", str(QUALITY[self.kbps]), *raw, "-", "-"]
        whole = np.pad(pcm, (0, max(0, FRAME - len(pcm))))  # the program refuses a few bytes
        data = run(arguments, whole.astype("<i2").tobytes())
        return Packed(data, round(len(packets(data)[2:]) * self.bitrate * FRAME / self.sample_rate))

    def expand(self, data: bytes) -> tuple[np.ndarray, int]:
        return np.frombuffer(run([find("speexdec", PACKAGE), "-", "-"], data), "<i2"), self.sample_rate


def open_speex(name: CodecName) -> ProgramCodec:
    """``speex@2.15``: kbit/s."""
    name.only(1)
    return ProgramCodec(name.text, Speex(name.choice(tuple(QUALITY))))
