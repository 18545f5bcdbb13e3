"""Makes stimuli that can be compared from recordings: excerpts, anchors, equal loudness and length."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from codec.audio.io import resample
from codec.errors import CodecError

MAX_SECONDS, EXCERPT_SECONDS, MIN_SECONDS = 12.0, 10.0, 1.0
"""BS.1534-3 wants about 10 s and at most 12; below 1 s there is little to judge."""
MIN_RATE, MAX_RATE = 16_000, 48_000
LOUDNESS = -23.0
"""Of every sound, in LUFS (EBU R 128)."""
PEAK = 0.99
_SILENCE = -60.0


@dataclass(frozen=True)
class Excerpt:
    """What is taken from a recording.

    Attributes:
        wave: ``(samples,)`` float32, mono.
        sample_rate: in Hz, between `MIN_RATE` and `MAX_RATE`.
        note: what was cut, for the study's notes; empty if nothing.
    """

    wave: np.ndarray
    sample_rate: int
    note: str = ""


def take_excerpt(wave: np.ndarray, sample_rate: int, rng: np.random.Generator) -> Excerpt:
    """At a usable rate, and no longer than a rater can hold in mind.

    Longer recordings are cut to `EXCERPT_SECONDS`, at a random place whose loudness is not below the median of 16 tries.

    Args:
        wave: ``(samples,)``.
        sample_rate: in Hz.
        rng: chooses the place.

    Raises:
        CodecError: too short, or silent.
    """
    mono = np.asarray(wave, np.float32)
    rate = int(np.clip(sample_rate, MIN_RATE, MAX_RATE))
    mono = resample(mono[None], sample_rate, rate)[0] if rate != sample_rate else mono
    seconds = len(mono) / rate
    if seconds < MIN_SECONDS:
        raise CodecError(f"{seconds:.2f} s are too short for a listening test, which takes {MIN_SECONDS:g} s and more")
    note = ""
    if seconds > MAX_SECONDS:
        size = round(EXCERPT_SECONDS * rate)
        starts = rng.integers(0, len(mono) - size + 1, 16)
        levels = [float(np.square(mono[s : s + size], dtype=np.float64).mean()) for s in starts]
        start = int(next(s for s, level in zip(starts, levels, strict=True) if level >= np.median(levels)))
        mono = mono[start : start + size]
        note = f"{seconds:.1f} s, cut to {EXCERPT_SECONDS:g} s from {start / rate:.1f} s"
    if loudness(mono, rate) < _SILENCE:
        raise CodecError(f"silent (below {_SILENCE:g} LUFS)")
    return Excerpt(mono, rate, note)


def low_pass(wave: np.ndarray, sample_rate: int, cutoff: float) -> np.ndarray:
    """An anchor of BS.1534-3: flat within 0.1 dB up to ``cutoff`` Hz, 60 dB down 500 Hz above it, without delay.

    Example:
        >>> tone = np.sin(2 * np.pi * 5000 * np.arange(16000) / 16000)
        >>> bool(np.abs(low_pass(tone, 16000, 3500)[2000:-2000]).max() < 0.001)
        True
    """
    from scipy.signal import fftconvolve, firwin, kaiserord

    width = 500.0
    taps, beta = kaiserord(65.0, width / (sample_rate / 2))
    window = firwin(taps | 1, cutoff + width / 2, window=("kaiser", beta), fs=sample_rate)
    return fftconvolve(wave, window, mode="full")[len(window) // 2 :][: len(wave)].astype(np.float32)


def loudness(wave: np.ndarray, sample_rate: int) -> float:
    """Integrated loudness by BS.1770 in LUFS; minus infinity for silence.

    Raises:
        CodecError: pyloudnorm is not installed.
    """
    try:
        import pyloudnorm
    except ImportError as error:
        raise CodecError("equal loudness needs pyloudnorm: pip install 'semcodec[web]'") from error
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of blocks below the gate
        value = float(pyloudnorm.Meter(sample_rate).integrated_loudness(wave.astype(np.float64)))
    return value if np.isfinite(value) else float("-inf")


def match_loudness(waves: dict[str, np.ndarray], sample_rate: int) -> dict[str, np.ndarray]:
    """Brings every sound of a trial to `LOUDNESS`; all of them lower if one would clip. Silence stays silence."""
    matched = {}
    for name, wave in waves.items():
        level = loudness(wave, sample_rate)
        matched[name] = wave * np.float32(10 ** ((LOUDNESS - level) / 20)) if level > -70 else wave
    peak = max(float(np.abs(wave).max()) for wave in matched.values())
    gain = np.float32(min(1.0, PEAK / peak)) if peak else np.float32(1)
    return {name: wave * gain for name, wave in matched.items()}


def fade(wave: np.ndarray, sample_rate: int, seconds: float = 0.005) -> np.ndarray:
    """Raised-cosine ends, so that cutting is not heard as a click."""
    n = min(round(seconds * sample_rate), len(wave) // 2)
    ramp = (0.5 - 0.5 * np.cos(np.pi * (np.arange(n) + 0.5) / n)).astype(np.float32)
    faded = wave.copy()
    faded[:n] *= ramp
    faded[len(wave) - n :] *= ramp[::-1]
    return faded
