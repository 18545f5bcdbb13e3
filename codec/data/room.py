"""Other rooms and microphones for studio recordings: random tone, reverberation and noise."""

from __future__ import annotations

import numpy as np

EQ_POINTS_HZ = (60, 125, 250, 500, 1_000, 2_000, 4_000, 8_000)
EQ_STD_DB = 4.0
REVERBERATION_S = (0.1, 0.5)
"""Range of the time in which an echo falls by 60 dB."""
DIRECT_DB = (3.0, 18.0)
"""Range of the direct sound's energy above the echo's."""
NOISE_DB = (15.0, 45.0)
"""Range of signal above noise."""


def rerecord(wave: np.ndarray, rng: np.random.Generator, sample_rate: int = 16_000, chance: float = 0.5) -> np.ndarray:
    """Changes a recording's tone, and with a chance each puts it into a room and adds noise.

    Args:
        wave: ``(samples,)`` float32.
        rng: decides everything.
        sample_rate: in Hz.
        chance: of the room, and of the noise.

    Returns:
        ``(samples,)`` float32 at about the same level, inside ±1.

    Example:
        >>> rerecord(np.ones(100, np.float32), np.random.default_rng(0)).shape
        (100,)
    """
    output = _equalise(wave, rng, sample_rate)
    if rng.random() < chance:
        output = reverberate(output, rng, sample_rate)
    if rng.random() < chance:
        noise = _noise(len(wave), rng)
        output = output + noise * _rms(output) * 10 ** (-rng.uniform(*NOISE_DB) / 20)
    output = output * (_rms(wave) / max(_rms(output), 1e-9))
    return (output * min(1.0, 0.99 / max(np.abs(output).max(), 1e-9))).astype(np.float32)


def _equalise(wave: np.ndarray, rng: np.random.Generator, sample_rate: int) -> np.ndarray:
    padded = _fast(len(wave) + sample_rate // 10)  # a linear-phase filter rings a little on both sides
    frequencies = np.fft.rfftfreq(padded, 1 / sample_rate)
    gains = rng.normal(0, EQ_STD_DB, len(EQ_POINTS_HZ))
    decibels = np.interp(np.log(np.maximum(frequencies, 20)), np.log(EQ_POINTS_HZ), gains)
    return np.fft.irfft(np.fft.rfft(wave, padded) * 10 ** (decibels / 20), padded)[: len(wave)]


def reverberate(
    wave: np.ndarray, rng: np.random.Generator, sample_rate: int, direct_db: tuple[float, float] = DIRECT_DB
) -> np.ndarray:
    """Adds the echoes of a room: noise that dies away.

    Args:
        wave: ``(samples,)``.
        rng: decides everything.
        sample_rate: in Hz.
        direct_db: range of the direct sound's energy above the echo's.
    """
    seconds = rng.uniform(*REVERBERATION_S)
    times = np.arange(int(seconds * sample_rate)) / sample_rate
    echo = rng.standard_normal(len(times)) * 10 ** (-3 * times / seconds)
    echo *= 10 ** (-rng.uniform(*direct_db) / 20) / np.linalg.norm(echo)
    echo[0] += 1.0
    padded = _fast(len(wave) + len(echo))
    return np.fft.irfft(np.fft.rfft(wave, padded) * np.fft.rfft(echo, padded), padded)[: len(wave)]


def _noise(samples: int, rng: np.random.Generator) -> np.ndarray:
    """Noise of unit power that falls by 0 to 6 dB an octave."""
    spectrum = np.fft.rfft(rng.standard_normal(_fast(samples)))
    spectrum *= np.maximum(np.arange(len(spectrum)), 1) ** -rng.uniform(0, 1)
    noise = np.fft.irfft(spectrum)[:samples]
    return noise / max(_rms(noise), 1e-9)


def _fast(samples: int) -> int:
    """The next power of two: a transform of a large prime length takes many times longer."""
    return 1 << max(1, samples - 1).bit_length()


def _rms(wave: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(wave, dtype=np.float64))))
