"""Free programs that make labelled sound: speech synthesisers, and a synthesiser of recorded instruments."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from codec.audio.io import read_audio, resample
from codec.errors import CodecError

SAMPLE_RATE, WORKERS = 16_000, 4
MARGIN = SAMPLE_RATE // 20
QUIET = 0.003
"""−50 dBFS: below this, what a synthesiser puts before and after a word is silence."""


@dataclass(frozen=True)
class Voice:
    """A synthetic speaker.

    Attributes:
        program: ``flite`` or ``espeak-ng``.
        name: as the program knows it.
    """

    program: str
    name: str

    def say(self, text: str, language: str = "en") -> np.ndarray:
        """``(samples,)`` int16 at 16 kHz, cut to the speech.

        Args:
            text: what is said.
            language: for espeak-ng, whose voices are variants of any language.

        Raises:
            CodecError: the program is missing or failed.
        """
        with tempfile.TemporaryDirectory(prefix="codec-") as folder:
            output = Path(folder) / "speech.wav"
            if self.program == "flite":
                run(["flite", "-voice", self.name, "-t", text, "-o", str(output)])
            else:
                run(["espeak-ng", "-v", f"{language}+{self.name}", "-w", str(output), "--", text])
            return trimmed(read_mono(output))


def say_all(jobs: Sequence[tuple[Voice, str, str]]) -> list[np.ndarray]:
    """What several voices say, given as voice, text and language; a few at a time."""
    with ThreadPoolExecutor(WORKERS) as pool:
        return list(pool.map(lambda job: job[0].say(job[1], job[2]), jobs))


def run(command: Sequence[str]) -> None:
    """Runs a program.

    Raises:
        CodecError: it is missing or failed.
    """
    if shutil.which(command[0]) is None:
        raise CodecError(f"{command[0]} is missing: apt-get install {command[0]}")
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", stdin=subprocess.DEVNULL)
    if done.returncode:
        reason = (done.stderr.strip() or "no reason given").splitlines()[-1]
        raise CodecError(f"{command[0]} failed with exit code {done.returncode}: {reason}")


def read_mono(path: Path) -> np.ndarray:
    """``(samples,)`` float32 at 16 kHz."""
    wave, rate = read_audio(path)
    return resample(wave.mean(0, keepdims=True), rate, SAMPLE_RATE)[0]


def to_int16(wave: np.ndarray) -> np.ndarray:
    """Float samples as 16-bit ones."""
    return np.round(np.clip(wave, -1, 1) * 32767).astype(np.int16)


def trimmed(wave: np.ndarray) -> np.ndarray:
    """Int16 without the silence at both ends, but for 50 ms.

    Raises:
        CodecError: there is nothing but silence.
    """
    loud = np.flatnonzero(np.abs(wave) > QUIET)
    if not len(loud):
        raise CodecError("a synthesiser gave nothing but silence")
    return to_int16(wave[max(0, loud[0] - MARGIN) : loud[-1] + MARGIN])
