"""Tones made here, which a codec trained on recordings alone forgets: sines, chords, sweeps, bells, whistles, telephones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import soundfile

from codec.atomic import atomic_path
from codec.data.recording import Recording

ORIGIN = "tones"
SAMPLE_RATE = 16_000
SECONDS = 4.0
"""Of each clip."""
LOWEST, HIGHEST = 60.0, 7_600.0
"""Of frequencies, in Hz; chances are even over octaves."""
PEAK_DB = (-30.0, -3.0)
NOISY_SHARE = 0.4
SIGNAL_TO_NOISE_DB = (5.0, 40.0)
RAMP_SECONDS = 0.01
DTMF_ROWS, DTMF_COLUMNS = (697.0, 770.0, 852.0, 941.0), (1209.0, 1336.0, 1477.0, 1633.0)
"""Of telephone keys (ITU-T Q.23), in Hz."""

Maker = Callable[[np.random.Generator], np.ndarray]


def tone(frequency: float | np.ndarray, seconds: float, level_db: float, sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    """``(samples,)`` of a sine that starts and stops softly.

    Args:
        frequency: in Hz, one or one for every sample.
        seconds: of sound.
        level_db: of its amplitude, against full scale.
        sample_rate: in Hz.

    Example:
        >>> tone(440, 0.5, -6).shape
        (8000,)
    """
    samples = round(seconds * sample_rate)
    phase = 2 * np.pi * np.cumsum(np.broadcast_to(frequency, samples)) / sample_rate
    ramp = np.minimum(1, np.minimum(np.arange(samples), np.arange(samples)[::-1]) / (RAMP_SECONDS * sample_rate))
    return np.asarray(10 ** (level_db / 20) * ramp * np.sin(phase))


def tone_clips(packages: Path, hours: float) -> Iterator[Recording]:
    """Tones, made once and kept in ``packages/tones``.

    Args:
        packages: folder of Debian packages.
        hours: of sound.
    """
    folder = packages / ORIGIN
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(round(hours * 3600 / SECONDS)):
        kind = list(MAKERS)[number % len(MAKERS)]
        path = folder / f"{number:05d}-{kind}.flac"
        if not path.exists():
            with atomic_path(path) as staged:
                soundfile.write(staged, make(kind, np.random.default_rng((0, number))).astype(np.float32), SAMPLE_RATE)
        yield Recording(str(path), f"{ORIGIN}/{number}", "sound", ORIGIN, {"kind": kind})


def make(kind: str, rng: np.random.Generator) -> np.ndarray:
    """``(samples,)`` of one kind at a random level, in noise at times.

    Args:
        kind: a key of `MAKERS`.
        rng: decides everything.
    """
    wave = MAKERS[kind](rng)
    wave = wave * (10 ** (rng.uniform(*PEAK_DB) / 20) / max(np.abs(wave).max(), 1e-9))
    if rng.random() < NOISY_SHARE:
        power = np.sqrt(np.mean(wave**2)) * 10 ** (-rng.uniform(*SIGNAL_TO_NOISE_DB) / 20)
        wave = wave + power * rng.standard_normal(len(wave))
    return np.clip(wave, -1, 1)


def _frequency(rng: np.random.Generator, lowest: float = LOWEST, highest: float = HIGHEST) -> float:
    return float(np.exp(rng.uniform(np.log(lowest), np.log(highest))))


def _times() -> np.ndarray:
    return np.arange(round(SECONDS * SAMPLE_RATE)) / SAMPLE_RATE


def _sequence(rng: np.random.Generator, sound: Callable[[float], np.ndarray]) -> np.ndarray:
    """Sounds of random lengths with pauses between, until the clip is full."""
    wave, position = np.zeros(round(SECONDS * SAMPLE_RATE)), 0
    while position < len(wave):
        part = sound(float(np.exp(rng.uniform(np.log(0.08), np.log(2.5)))))[: len(wave) - position]
        wave[position : position + len(part)] = part
        position += len(part) + round(rng.choice([0.0, rng.uniform(0.02, 0.6)]) * SAMPLE_RATE)
    return wave


def _sines(rng: np.random.Generator) -> np.ndarray:
    return _sequence(rng, lambda seconds: tone(_frequency(rng), seconds, rng.uniform(-12, 0)))


def _chords(rng: np.random.Generator) -> np.ndarray:
    def chord(seconds: float) -> np.ndarray:
        tones = [tone(_frequency(rng), seconds, rng.uniform(-15, 0)) for _ in range(rng.integers(2, 5))]
        return np.sum(tones, axis=0)

    return _sequence(rng, chord)


def _dial(rng: np.random.Generator) -> np.ndarray:
    def key(_: float) -> np.ndarray:
        seconds = rng.uniform(0.06, 0.6)
        return tone(rng.choice(DTMF_ROWS), seconds, 0) + tone(rng.choice(DTMF_COLUMNS), seconds, 0)

    return _sequence(rng, key)


def _sweeps(rng: np.random.Generator) -> np.ndarray:
    def sweep(seconds: float) -> np.ndarray:
        samples = round(seconds * SAMPLE_RATE)
        return tone(np.geomspace(_frequency(rng), _frequency(rng), samples), seconds, 0)

    return _sequence(rng, sweep)


def _whistles(rng: np.random.Generator) -> np.ndarray:
    """A tone whose pitch wanders and trembles, as a whistler's or a theremin's does."""
    times = _times()
    wander = np.interp(times, np.linspace(0, SECONDS, 9), rng.normal(0, 3, 9))  # semitones
    tremble = rng.uniform(0, 0.8) * np.sin(2 * np.pi * rng.uniform(3, 8) * times)
    frequency = np.clip(_frequency(rng, 300, 3_500) * 2 ** ((wander + tremble) / 12), LOWEST, HIGHEST)
    breath = np.interp(times, np.linspace(0, SECONDS, 17), rng.uniform(0.0, 1.0, 17))
    return tone(frequency, SECONDS, 0) * np.sqrt(breath)


def _sirens(rng: np.random.Generator) -> np.ndarray:
    times, low = _times(), _frequency(rng, 300, 1_500)
    swing = np.sin(2 * np.pi * rng.uniform(0.2, 4) * times)
    shape = np.sign(swing) if rng.random() < 0.5 else swing
    frequency = low * 2 ** (rng.uniform(0.2, 1.2) * (shape + 1) / 2)
    partials = [tone(np.minimum(k * frequency, HIGHEST), SECONDS, -9 * (k - 1)) for k in range(1, 4)]
    return np.sum(partials, axis=0)


def _bells(rng: np.random.Generator) -> np.ndarray:
    def bell(seconds: float) -> np.ndarray:
        base, samples = _frequency(rng, 150, 2_500), round(max(seconds, 0.4) * SAMPLE_RATE)
        ratios = rng.uniform(1, 6, rng.integers(2, 7))
        decay = np.exp(-np.arange(samples)[None] / SAMPLE_RATE * rng.uniform(1, 9, (len(ratios), 1)))
        frequencies = np.minimum(base * ratios, HIGHEST)[:, None]
        return np.sum(decay * np.sin(2 * np.pi * frequencies * np.arange(samples) / SAMPLE_RATE), axis=0)

    return _sequence(rng, bell)


def _hum(rng: np.random.Generator) -> np.ndarray:
    """Mains hum and its harmonics, with buzz or without."""
    base = rng.choice([50.0, 60.0, _frequency(rng, 40, 400)])
    harmonics = range(1, int(min(rng.integers(2, 30), HIGHEST // base)))
    return np.sum([tone(k * base, SECONDS, -rng.uniform(3, 9) * np.log2(k + 1)) for k in harmonics], axis=0)


MAKERS: dict[str, Maker] = {
    "sines": _sines,
    "chords": _chords,
    "dial": _dial,
    "sweeps": _sweeps,
    "whistles": _whistles,
    "sirens": _sirens,
    "bells": _bells,
    "hum": _hum,
}
"""By kind."""
