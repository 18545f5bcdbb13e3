"""Do tones stay tones? Level and frequency of the lines of a spectrum, and lines that were not there before."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from codec.data.domains import DOMAINS
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
AROUND_HZ = 200.0
"""On both sides of a spectral line, what it stands out of: the median there."""
KEPT_DB, KEPT_PERCENT = 6.0, 1.0
"""What a tone's level and frequency may change by if it is to be called kept."""
LOST_DB = 12.0
"""From here on a tone is lost: how much of it, nobody asks."""


@dataclass(frozen=True)
class Tones:
    """Tones that a clip has, and when.

    Attributes:
        frequencies: in Hz; none of a single tone that moves, whose frequency is where the reference's spectrum is highest.
        start, stop: in s; None for the beginning and the end of the clip.

    Example:
        >>> Tones.parse("697+1209@0.5-0.8")
        Tones(frequencies=(697.0, 1209.0), start=0.5, stop=0.8)
        >>> Tones.parse("moving")
        Tones(frequencies=(), start=None, stop=None)
    """

    frequencies: tuple[float, ...]
    start: float | None = None
    stop: float | None = None

    @classmethod
    def parse(cls, text: str) -> Tones:
        """Reads ``HZ+HZ`` or ``moving``, with ``@START-STOP`` where they do not sound all the time.

        Raises:
            MetricError: something else.
        """
        match = re.fullmatch(r"(moving|\d+(?:\.\d+)?(?:\+\d+(?:\.\d+)?)*)(?:@([\d.]+)-([\d.]+))?", text)
        if not match:
            raise MetricError(f"no tones in {text!r}: write 440, 697+1209, 1000@0.5-0.8 or moving")
        what, start, stop = match.groups()
        frequencies = () if what == "moving" else tuple(map(float, what.split("+")))
        return cls(frequencies, *(None if time is None else float(time) for time in (start, stop)))


@dataclass(frozen=True)
class ToneErrors:
    """The tone errors of a clip.

    Attributes:
        level: of the tone that changed most, against its level in the reference, in dB; negative if it lost.
        frequency: largest error of a tone, in %.
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

    In every window of 64 ms a tone's level is that of the highest bin within a semitone, and its frequency is where that bin
    lies, between bins by a parabola; of both errors the median over time counts.

    Raises:
        MetricError: the text names no tones, or they are too short.
    """
    pair, tones = pair.at(SAMPLE_RATE), Tones.parse(pair.text or "")
    start, stop = tones.start or 0.0, tones.stop or len(pair.reference) / SAMPLE_RATE
    inside = slice(round((start + EDGE_SECONDS) * SAMPLE_RATE), round((stop - EDGE_SECONDS) * SAMPLE_RATE))
    if inside.stop - inside.start < N_FFT:
        raise MetricError(f"the tones last {stop - start:.2f} s, too short to measure")
    before, after = (spectrum_db(wave[inside]) for wave in (pair.reference, pair.output))
    if tones.frequencies:
        centres = [np.full(len(before), frequency) for frequency in tones.frequencies]
    else:
        centres = [np.maximum(before.argmax(1), 1) * SAMPLE_RATE / FFT_SIZE]
    levels, shifts = [], []
    for centre in centres:
        (level, found), (kept, moved) = _follow(before, centre), _follow(after, centre)
        levels.append(float(np.median(kept - level)))
        shifts.append(float(100 * np.median(np.abs(moved / found - 1))))
    return ToneErrors(max(levels, key=abs), max(shifts))


def _follow(spectrum: np.ndarray, centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Levels in dB and frequencies in Hz of the highest peaks near a frequency that may move, ``(frames,)`` each."""
    width = SAMPLE_RATE / FFT_SIZE
    bins = np.arange(spectrum.shape[1]) * width
    near = np.abs(bins[None] / centres[:, None] - 1) <= NEAR
    peaks = np.clip(np.where(near, spectrum, -np.inf).argmax(1), 1, spectrum.shape[1] - 2)
    rows = np.arange(len(spectrum))
    left, top, right = (spectrum[rows, peaks + offset] for offset in (-1, 0, 1))
    offsets = 0.5 * (left - right) / np.minimum(left - 2 * top + right, -1e-9)
    return top, (peaks + np.clip(offsets, -0.5, 0.5)) * width


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


def kept(errors: ToneErrors) -> float:
    """100 for tones whose level and frequency hardly changed, else 0, so that a mean over clips is a share in %."""
    return 100.0 * (abs(errors.level) <= KEPT_DB and errors.frequency <= KEPT_PERCENT)


def metrics() -> list[Metric]:
    """``tone_level``, ``tone_change``, ``tone_frequency``, ``tones_kept`` and ``added_lines``."""
    errors = Once(tone_errors)
    cite = "level and frequency of the lines that the clip's text names, 64 ms Hann windows, median over time"
    drawn = "how far the most prominent steady line that the reference lacks stands out of the median within 200 Hz around it"
    within = f"tones whose level stays within {KEPT_DB:g} dB and frequency within {KEPT_PERCENT:g} %"
    return [
        Metric("tone_level", "dB", True, ("sound",), lambda pair: errors(pair).level, cite),
        Metric("tone_change", "dB", False, ("sound",), lambda pair: min(abs(errors(pair).level), LOST_DB), cite),
        Metric("tone_frequency", "%", False, ("sound",), lambda pair: errors(pair).frequency, cite),
        Metric("tones_kept", "%", True, ("sound",), lambda pair: kept(errors(pair)), within),
        Metric("added_lines", "dB", False, DOMAINS, added_lines, drawn),
    ]
