"""Sounds that are easy to describe, through any codec: ``python -m benchmarks.plain_sounds semcodec@50 codec2@700C``.

Corpora have few of them, and a codec that was trained on corpora may turn them into something else: tones in noise, sirens,
hum, pulses, clicks, melodies, high vowels. Two figures tell that a sound came back as another one: its change of level, and
the distance of spectra.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from scipy.signal import butter, sosfilt, stft

from codec.atomic import atomic_write
from codec.cli.main import run_script
from codec.errors import CodecError
from eval.markdown import table
from eval.reconstruction.original import open_any

SAMPLE_RATE, SECONDS = 16_000, 3
BANDS, LOWEST_HZ, DEPTH_DB = 24, 80.0, 50.0
"""Of the distance: bands of equal width in octaves, and how far below a sound's loudest band they are looked at."""
RESONANCES = ((800, 1.0), (1_200, 0.5), (2_500, 0.1))
"""Of an /a/: Hz and gain."""
TIME = np.arange(SECONDS * SAMPLE_RATE) / SAMPLE_RATE


def _sine(hertz: float | np.ndarray) -> np.ndarray:
    wave: np.ndarray = np.sin(2 * np.pi * np.cumsum(np.broadcast_to(hertz, TIME.shape)) / SAMPLE_RATE)
    return wave


def _noise() -> np.ndarray:
    return np.random.default_rng(0).standard_normal(len(TIME))


def _harmonics(hertz: float, gain: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    numbers = np.arange(1, int(7_500 / hertz) + 1)
    waves = [g * _sine(hertz * n) for n, g in zip(numbers, gain(hertz * numbers), strict=True)]
    return np.sum(waves, axis=0)


def _vowel(hertz: float) -> np.ndarray:
    """Harmonics under the first three resonances of an /a/."""
    return _harmonics(hertz, lambda f: np.sum([g / (1 + ((f - c) / 90) ** 2) for c, g in RESONANCES], axis=0))


def _telephone(wave: np.ndarray) -> np.ndarray:
    filtered: np.ndarray = sosfilt(butter(4, (300, 3_400), "bandpass", fs=SAMPLE_RATE, output="sos"), wave)
    return filtered


def _decaying(hertz: float, partials: tuple[tuple[float, float, float], ...]) -> np.ndarray:
    """Struck twice a second; partials are ratios, gains and seconds of decay."""
    since = TIME % 0.5
    waves = [g * np.exp(-since / d) * np.sin(2 * np.pi * hertz * r * since) for r, g, d in partials]
    return np.sum(waves, axis=0)


def _every(samples: int, length: int = 1) -> np.ndarray:
    return (np.arange(len(TIME)) % samples < length).astype(float)


_MELODY = np.array([523.25, 659.26, 783.99, 1046.5, 783.99, 659.26])

SOUNDS: dict[str, Callable[[], np.ndarray]] = {
    "sine of 1 kHz": lambda: _sine(1_000),
    "sine, noise 25 dB below": lambda: _sine(1_000) + 0.04 * _noise(),
    "sine, noise 10 dB below": lambda: _sine(1_000) + 0.22 * _noise(),
    "vibrato of 6 Hz": lambda: _sine(1_500 + 60 * np.sin(2 * np.pi * 6 * TIME)),
    "sweep of 200 Hz to 5 kHz": lambda: _sine(200 * 25 ** (TIME / SECONDS)),
    "melody of sines": lambda: _sine(_MELODY[(TIME / 0.19).astype(int) % len(_MELODY)]),
    "chord of three sines": lambda: _sine(440) + _sine(554.4) + _sine(659.3),
    "square wave of 900 Hz": lambda: np.sign(_sine(900)),
    "pulses of one sign, 60 Hz": lambda: (_sine(60) > 0).astype(float),
    "hum of 30 Hz and harmonics": lambda: _harmonics(30, lambda f: 30 / f),
    "hum of 100 Hz and harmonics": lambda: _harmonics(100, lambda f: 100 / f),
    "vowel at 120 Hz": lambda: _vowel(120),
    "vowel at 350 Hz": lambda: _vowel(350),
    "vowel at 600 Hz": lambda: _vowel(600),
    "vowel at 120 Hz, telephone": lambda: _telephone(_vowel(120)),
    "plucked string": lambda: _decaying(220, tuple((n, 1 / n, 0.3 / n) for n in range(1, 12))),
    "bell": lambda: _decaying(880, ((1, 1, 0.3), (2.76, 0.6, 0.15), (5.4, 0.4, 0.08))),
    "clicks, 2 a second": lambda: _every(8_000),
    "clicks, 15 a second": lambda: _every(1_067),
    "bursts of noise, 5 ms": lambda: _every(4_000, 80) * _noise(),
    "white noise": _noise,
    "noise above 3 kHz": lambda: np.diff(np.diff(np.diff(_noise(), prepend=0), prepend=0), prepend=0),
}


@dataclass(frozen=True)
class Figures:
    """What a codec made of a sound.

    Attributes:
        codec: its name.
        sound: one of `SOUNDS`.
        level_change_db: of the whole sound.
        level_error_db: root mean square over tenths of a second, where the sound is within 30 dB of its loudest.
        spectral_distance_db: mean distance of bands, every 10 ms.
    """

    codec: str
    sound: str
    level_change_db: float
    level_error_db: float
    spectral_distance_db: float


def made(sound: str) -> np.ndarray:
    """``(samples,)`` of a sound at `SAMPLE_RATE`, with a peak of 0.5.

    Example:
        >>> float(abs(made("sine of 1 kHz")).max().round(3))
        0.5
    """
    wave = SOUNDS[sound]()
    scaled: np.ndarray = (0.5 * wave / np.abs(wave).max()).astype(np.float32)
    return scaled


def compare(codec: str, sound: str, original: np.ndarray, output: np.ndarray) -> Figures:
    """Figures of two waves of equal length."""
    before, after = (_levels(wave, SAMPLE_RATE // 10) for wave in (original - original.mean(), output - output.mean()))
    heard = before > before.max() - 30
    bands = [_bands(wave) for wave in (original, output)]
    floor = bands[0].max() - DEPTH_DB
    distance = np.abs(np.maximum(bands[0], floor) - np.maximum(bands[1], floor)).mean()
    change = _levels(output - output.mean(), len(output))[0] - _levels(original - original.mean(), len(original))[0]
    return Figures(codec, sound, float(change), float(np.sqrt(np.square(after - before)[heard].mean())), float(distance))


def _levels(wave: np.ndarray, samples: int) -> np.ndarray:
    """Levels of parts in dB."""
    parts = wave[: len(wave) // samples * samples].reshape(-1, samples)
    levels: np.ndarray = 10 * np.log10(np.square(parts.astype(float)).mean(1) + 1e-10)
    return levels


def _bands(wave: np.ndarray) -> np.ndarray:
    """``(BANDS, frames)`` levels in dB."""
    hertz, _, spectrum = stft(wave, SAMPLE_RATE, nperseg=640, noverlap=480, boundary=None, padded=False)
    place = BANDS * np.log(np.maximum(hertz, 1) / LOWEST_HZ) / np.log(SAMPLE_RATE / 2 / LOWEST_HZ)
    power = np.square(np.abs(spectrum))
    bands = np.stack([power[(place >= band) & (place < band + 1)].sum(0) for band in range(BANDS)])
    levels: np.ndarray = 10 * np.log10(bands + 1e-10)
    return levels


def main(
    codecs: Annotated[list[str], typer.Argument(help="As `codec models` names them.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Figures as JSON lines.")] = None,
) -> None:
    """Prints one table: change of level and distance of spectra, of every sound and codec."""
    try:
        rows = [row for name in codecs for row in _measured(name)]
    except CodecError as error:
        print(f"benchmarks.plain_sounds: {' '.join(str(error).split())}", file=sys.stderr)
        raise SystemExit(2) from error
    print(report(rows))
    if output is not None:
        with atomic_write(output) as handle:
            handle.write("".join(json.dumps(asdict(row)) + "\n" for row in rows).encode())


def _measured(name: str) -> list[Figures]:
    codec = open_any(name)
    found = []
    for sound in SOUNDS:
        print(f"{name}: {sound}", file=sys.stderr, flush=True)
        original = made(sound)
        found.append(compare(name, sound, original, codec.decode(codec.encode(original, SAMPLE_RATE))))
    return found


def report(rows: list[Figures]) -> str:
    """A Markdown table; its last line has the means of absolute figures."""
    names = list(dict.fromkeys(row.codec for row in rows))
    cells = {(row.sound, row.codec): f"{row.level_change_db:+.1f}, {row.spectral_distance_db:.1f}" for row in rows}
    lines = [[sound, *(cells[sound, name] for name in names)] for sound in SOUNDS]
    means = [_mean([row for row in rows if row.codec == name]) for name in names]
    return table(["change of level, distance of spectra in dB", *names], [*lines, ["**mean**", *means]])


def _mean(rows: list[Figures]) -> str:
    level = np.mean([abs(row.level_change_db) for row in rows])
    return f"{level:.1f}, {np.mean([row.spectral_distance_db for row in rows]):.1f}"


if __name__ == "__main__":
    run_script(main)
