"""Tones that a codec must keep: sines, telephone keys, beeps in speech, sweeps, whistles. A clip's text says what sounds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import soundfile

from codec.audio.io import read_audio
from codec.data.testsets.clip import Clip
from codec.data.tones import SAMPLE_RATE, tone

SINES = (100, 150, 220, 440, 700, 1000, 1500, 2000, 3000, 4000, 5000, 6000, 7000)
"""In Hz."""
LEVEL_DB = -9.0
QUIET = (440, 2000)
"""Also at −40 dB."""
QUIET_DB = -40.0
KEYS = {"1": (697, 1209), "5": (770, 1336), "9": (852, 1477), "0": (941, 1336), "d": (941, 1633)}
"""Of telephones (ITU-T Q.23), in Hz."""
KEY_DB = -12.0
BEEPS = (500, 1000, 2500)
BEEP_START, BEEP_STOP = 0.8, 1.3


def tone_clips(folder: Path, speech: Sequence[Clip]) -> list[Clip]:
    """Clips, made where they are not there yet.

    Args:
        folder: of the files.
        speech: clips at 16 kHz that beeps are laid over, one each.
    """
    made = []
    for name, text, wave in (*_steady(), *_moving(), *_beeps(speech)):
        path = folder / f"tone-{name}.flac"
        if not path.exists():
            soundfile.write(path, wave.astype(np.float32), SAMPLE_RATE)
        made.append(Clip(f"tone/{name}", str(path), "sound", "tones", text=text))
    return made


def _steady() -> Iterator[tuple[str, str, np.ndarray]]:
    for frequency in SINES:
        yield f"sine-{frequency}", str(frequency), tone(frequency, 2.0, LEVEL_DB)
    for frequency in QUIET:
        yield f"quiet-{frequency}", str(frequency), tone(frequency, 2.0, QUIET_DB)
    for key, (low, high) in KEYS.items():
        yield f"dtmf-{key}", f"{low}+{high}", tone(low, 1.0, KEY_DB) + tone(high, 1.0, KEY_DB)


def _moving() -> Iterator[tuple[str, str, np.ndarray]]:
    time = np.arange(8 * SAMPLE_RATE) / SAMPLE_RATE
    yield "sweep", "moving", tone(200 * 30 ** (time / 8), 8.0, LEVEL_DB)
    vibrato = 1500 * (1 + 0.03 * np.sin(2 * np.pi * 5.5 * time[: 3 * SAMPLE_RATE]))
    yield "whistle", "moving", tone(vibrato, 3.0, LEVEL_DB)


def _beeps(speech: Sequence[Clip]) -> Iterator[tuple[str, str, np.ndarray]]:
    for frequency, clip in zip(BEEPS, speech, strict=False):
        wave, _ = read_audio(clip.path)
        mixed = wave[0].astype(np.float64).copy()
        start = round(BEEP_START * SAMPLE_RATE)
        beep = tone(frequency, BEEP_STOP - BEEP_START, KEY_DB)
        mixed[start : start + len(beep)] += beep
        yield f"beep-{frequency}", f"{frequency}@{BEEP_START}-{BEEP_STOP}", mixed
