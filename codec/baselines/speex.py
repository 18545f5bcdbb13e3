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
LOOK_AHEAD = 40
VOCODER_DELAY = 20
"""Samples by which the sound of the lowest mode, which keeps no waveform, lags beside the look-ahead; as measured."""
TWO_PAGES = 2 * 255 * FRAME
"""Samples of more packets than the 255 segments of an Ogg page hold."""
QUALITY = {"2.15": 0, "3.95": 1, "5.95": 2, "8": 3, "11": 5, "15": 7, "18.2": 9, "24.6": 10}
"""kbit/s of the narrow-band modes → the program's quality."""


@dataclass(frozen=True)
class Speex:
    """Constant bitrate, frames of 20 ms at 8 kHz.

    Bits are frames × bits of the mode: filling up to whole bytes, Ogg pages and the two header packets are left out. The
    program encodes one frame more than the audio has, because of its look-ahead, and that frame counts.

    The look-ahead is declared in the file (granule position), and the program's decoder takes it out at the start, unless the
    first Ogg page is also the last, as in clips under some 5 s: then it cuts the end, and all of the clip is 10 ms late. So
    short clips are filled up to two pages with silence, which is neither counted nor given back.

    Attributes:
        kbps: as in ``QUALITY``.
    """

    kbps: str
    sample_rate: int = 8_000

    @property
    def delay(self) -> float:
        return VOCODER_DELAY / self.sample_rate if self.kbps == "2.15" else 0.0

    @property
    def bitrate(self) -> float:
        return float(self.kbps) * 1000

    @property
    def version(self) -> str:
        return version_line(find("speexenc", PACKAGE))

    def compress(self, pcm: np.ndarray) -> Packed:
        raw = ["--rate", str(self.sample_rate), "--16bit", "--le"]
        arguments = [find("speexenc", PACKAGE), "-n", "--quality", str(QUALITY[self.kbps]), *raw, "-", "-"]
        filled = np.pad(pcm, (0, max(0, TWO_PAGES - len(pcm))))
        data = run(arguments, filled.astype("<i2").tobytes())
        frames = len(packets(data)[2:]) - (frames_of(len(filled)) - frames_of(len(pcm)))
        return Packed(data, round(frames * self.bitrate * FRAME / self.sample_rate))

    def expand(self, data: bytes) -> tuple[np.ndarray, int]:
        return np.frombuffer(run([find("speexdec", PACKAGE), "-", "-"], data), "<i2"), self.sample_rate


def frames_of(samples: int) -> int:
    """Frames that the program makes of so many samples, those of its look-ahead included."""
    return -(-(samples + LOOK_AHEAD) // FRAME)


def open_speex(name: CodecName) -> ProgramCodec:
    """``speex@2.15``: kbit/s."""
    name.only(1)
    return ProgramCodec(name.text, Speex(name.choice(tuple(QUALITY))))
