"""Codec 2, speech at 450–3200 bit/s, through ``c2enc`` and ``c2dec``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from codec.baselines.names import CodecName
from codec.baselines.programs import Packed, ProgramCodec, file_version, find, run

PACKAGE = "codec2"


@dataclass(frozen=True)
class Mode:
    """A mode of the coder.

    Attributes:
        bits: of a frame.
        samples: of a frame, at 8 kHz.
        delay: in samples.
    """

    bits: int
    samples: int
    delay: int = 160


MODES = {
    "450": Mode(18, 320, 228),
    "700C": Mode(28, 320, 240),
    "1200": Mode(48, 320),
    "1300": Mode(52, 320),
    "1400": Mode(56, 320),
    "1600": Mode(64, 320),
    "2400": Mode(48, 160),
    "3200": Mode(64, 160),
}


@dataclass(frozen=True)
class Codec2:
    """Narrow-band speech.

    Bits are frames × bits of a frame: the program fills every frame up to whole bytes, and that filling is left out; as many
    frames are made as give the clip back whole.

    Its files declare no delay. It follows from how the coder works: the analysis window of 40 ms is centred half its length,
    20 ms, before the newest sample, and 700C interpolates from the frame before, which adds a sub-frame of 10 ms. That of 450
    is as measured. Tests hold all of them against the shift at which speech is most intelligible.

    Attributes:
        mode: ``450``, ``700C``, … ``3200``.
    """

    mode: str
    sample_rate: int = 8_000

    @property
    def bitrate(self) -> float:
        return MODES[self.mode].bits * self.sample_rate / MODES[self.mode].samples

    @property
    def delay(self) -> float:
        return MODES[self.mode].delay / self.sample_rate

    @property
    def version(self) -> str:
        return file_version(find("c2enc", PACKAGE))

    def compress(self, pcm: np.ndarray) -> Packed:
        mode = MODES[self.mode]
        frames = -(-(len(pcm) + mode.delay) // mode.samples)
        whole = np.pad(pcm, (0, frames * mode.samples - len(pcm))).astype("<i2")  # c2enc drops what is not a whole frame
        data = run([find("c2enc", PACKAGE), self.mode, "-", "-"], whole.tobytes())
        return Packed(data, frames * mode.bits)

    def expand(self, data: bytes) -> tuple[np.ndarray, int]:
        return np.frombuffer(run([find("c2dec", PACKAGE), self.mode, "-", "-"], data), "<i2"), self.sample_rate


def open_codec2(name: CodecName) -> ProgramCodec:
    """``codec2@700C``."""
    name.only(1)
    return ProgramCodec(name.text, Codec2(name.choice(tuple(MODES))))
