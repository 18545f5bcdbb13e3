"""Do tones stay tones? Level and frequency of the lines of a spectrum, and lines that were not there before."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from eval.reconstruction.interface import Metric, MetricError, Once, Pair

SAMPLE_RATE = 16_000
N_FFT, HOP_LENGTH = 1024, 128
FFT_SIZE = 4 * N_FFT
"""Padded, so that the peak of a line lies close to its frequency."""
NEAR = 0.06
"""Share of a frequency within which its line is looked for: a semitone."""
EDGE_SECONDS = 0.06
"""At both ends of a tone that are left out: attack, release and a window's half."""
FLOOR_DB = -100.0
LINE_DB = 12.0
"""How far a spectral line stands above the median around it."""
AROUND_HZ = 200.0


@dataclass(frozen=True)
class Tones:
    """Steady tones that a clip has, and when.

    Attributes:
        frequencies: in Hz.
        start, stop: in s; None for the beginning and the end of the clip.

    Example:
        >>> Tones.parse("697+1209@0.5-0.8")
        Tones(frequencies=(697.0, 1209.0), start=0.5, stop=0.8)
    """

    frequencies: tuple[float, ...]
    start: float | None = None
    stop: float | None = None

    @classmethod
    def parse(cls, text: str) -> Tones:
        """Reads ``HZ+HZ@START-STOP``; the times may be left out.

        Raises:
            MetricError: something else.
        """
        match = re.fullmatch(r"(\d+(?:\.\d+)?(?:\+\d+(?:\.\d+)?)*)(?:@([\d.]+)-([\d.]+))?", text)
        if not match:
            raise MetricError(f"no tones in {text!r}: write 440, 697+1209 or 1000@0.5-0.8")
        start, stop = (None if part is None else float(part) for part in match.groups()[1:])
        return cls(tuple(map(float, match.group(1).split("+"))), start, stop)


@dataclass(frozen=True)
class ToneErrors:
    """Of a clip.

    Attributes:
        level: of the line that changed most, against its level in the reference, in dB; negative if it lost.
        frequency: largest error of a line, in %.
    """

    level: float
    frequency: float


def spectrum_db(wave: np.ndarray) -> np.ndarray:
    """``(frames, bins)`` level in dB of full scale; a sine of amplitude 1 has 0 dB.

    Args:
        wave: ``(samples,)`` at 16 kHz; shorter ones are padded.
    """
    padded = np.pad(wave, (0, max(0, N_FFT - len(wave))))
    window = np.hanning(N_FFT)
    frames = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[::HOP_LENGTH] * (2 * window / window.sum())
    return 20 * np.log10(np.maximum(np.abs(np.fft.rfft(frames, FFT_SIZE)), 10 ** (FLOOR_DB / 20)))


def tone_errors(pair: Pair) -> ToneErrors:
    """Follows every tone that the clip's text names through reference and output.

    The level of a line is the median over time of the highest bin within a semitone; its frequency is where that bin lies,
    between bins by a parabola.

    Raises:
        MetricError: the text names no tones, or they are too short.
    """
    pair, tones = pair.at(SAMPLE_RATE), Tones.parse(pair.text or "")
    start, stop = tones.start or 0.0, tones.stop or len(pair.reference) / SAMPLE_RATE
    inside = slice(round((start + EDGE_SECONDS) * SAMPLE_RATE), round((stop - EDGE_SECONDS) * SAMPLE_RATE))
    if inside.stop - inside.start < N_FFT:
        raise MetricError(f"the tones last {stop - start:.2f} s, too short to measure")
    before, after = (spectrum_db(wave[inside]) for wave in (pair.reference, pair.output))
    levels, shifts = [], []
    for frequency in tones.frequencies:
        (level, found), (kept, moved) = _line(before, frequency), _line(after, frequency)
        levels.append(kept - level)
        shifts.append(100 * abs(moved / found - 1))
    return ToneErrors(max(levels, key=abs), max(shifts))


def _line(spectrum: np.ndarray, frequency: float) -> tuple[float, float]:
    """Level in dB and frequency in Hz of the highest peak near a frequency."""
    width = SAMPLE_RATE / FFT_SIZE
    low, high = round(frequency * (1 - NEAR) / width), round(frequency * (1 + NEAR) / width) + 1
    near = np.median(spectrum[:, low : min(high, spectrum.shape[1])], axis=0)
    peak = int(near.argmax())
    offset = 0.0
    if 0 < peak < len(near) - 1:
        left, top, right = near[peak - 1 : peak + 2]
        offset = 0.5 * (left - right) / min(left - 2 * top + right, -1e-9)
    return float(near[peak]), (low + peak + float(np.clip(offset, -0.5, 0.5))) * width


def added_lines(pair: Pair) -> float:
    """How far the most prominent steady line of the output stands out that the reference lacks, in dB above what is around it.

    Networks draw such lines at multiples of their frame rate or bin width. Spectra are averaged over time in dB; a bin stands
    out by what it exceeds the median within ±200 Hz, and what stands out there in the reference, too, is subtracted.
    """
    pair = pair.at(SAMPLE_RATE)
    before, after = (_prominence(spectrum_db(wave).mean(0)) for wave in (pair.reference, pair.output))
    reach = round(20 / (SAMPLE_RATE / FFT_SIZE))  # a line that moved by less than 20 Hz is not a new one
    known = np.array([before[max(0, i - reach) : i + reach + 1].max() for i in range(len(before))])
    return float(np.max(np.maximum(after, 0) - np.maximum(known, 0)))


def _prominence(mean: np.ndarray) -> np.ndarray:
    half = round(AROUND_HZ / (SAMPLE_RATE / FFT_SIZE))
    padded = np.pad(mean, half, mode="reflect")
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1)
    return np.asarray(mean - np.median(around, axis=1))


def metrics() -> list[Metric]:
    """``tone_level``, ``tone_frequency`` and ``added_lines``."""
    errors = Once(tone_errors)
    cite = "level and frequency of the lines that the clip's text names, 64 ms Hann windows, median over time"
    return [
        Metric("tone_level", "dB", True, ("sound",), lambda pair: errors(pair).level, cite),
        Metric("tone_frequency", "%", False, ("sound",), lambda pair: errors(pair).frequency, cite),
        Metric("added_lines", "dB", False, ("speech", "music", "sound"), added_lines, added_lines.__doc__ or ""),
    ]
