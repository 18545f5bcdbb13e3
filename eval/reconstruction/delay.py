"""How late the output comes: reported, and taken out before other metrics compare it with the reference."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from eval.reconstruction.interface import EVERYWHERE, Metric, MetricError, Pair

SAMPLE_RATE = 16_000
WINDOW_LENGTH = 256
HOP_LENGTH = 16
LIMIT_SECONDS = 0.5
MIN_CORRELATION = 0.2
WORTH_MS, WORTH_GAIN = 2.0, 1.1
"""Shorter delays, and those at which the correlation is hardly higher than without them, are left where they are."""


def delay(pair: Pair) -> float:
    """Delay of the output against the reference in ms, positive if it is late.

    The peak, within ±0.5 s, of the cross-correlation of log-spectrograms with a hop of 1 ms. Waveforms of vocoders do not
    correlate with their input; the envelopes of their bands do.

    Raises:
        MetricError: too short, or no clear peak, as in silence and in steady tones.
    """
    return _delay_and_gain(pair)[0]


def without_delay(pair: Pair) -> Pair:
    """The pair with the output moved to where it belongs, both cut to what they share; as it is where that is unclear.

    Metrics that compare sample by sample or frame by frame would call a late codec a bad one.
    """
    try:
        late, gain = _delay_and_gain(pair)
    except MetricError:
        return pair
    if abs(late) < WORTH_MS or gain < WORTH_GAIN:
        return pair
    lag = round(late * pair.sample_rate / 1000)
    reference, output = pair.reference, pair.output
    if lag > 0:
        return replace(pair, reference=reference[:-lag], output=output[lag:])
    return replace(pair, reference=reference[-lag:], output=output[:lag])


def _delay_and_gain(pair: Pair) -> tuple[float, float]:
    """Delay in ms, and the correlation there over that without a delay."""
    pair = pair.at(SAMPLE_RATE)
    if len(pair.reference) < 2 * WINDOW_LENGTH:
        raise MetricError("too short to measure a delay")
    first, second = (_envelopes(wave) for wave in (pair.reference, pair.output))
    frames = first.shape[1]
    size = 2 * frames
    cross = np.fft.irfft((np.fft.rfft(second, size) * np.conj(np.fft.rfft(first, size))).sum(0), size)
    limit = min(frames - 1, round(LIMIT_SECONDS * SAMPLE_RATE / HOP_LENGTH))
    lags = np.concatenate([cross[-limit:], cross[: limit + 1]])
    power = np.sqrt((first**2).sum() * (second**2).sum())
    peak = int(lags.argmax())
    if not power or lags[peak] < MIN_CORRELATION * power:
        raise MetricError("output and reference do not correlate: no delay to be found")
    late = float((peak - limit + _vertex(lags, peak)) * HOP_LENGTH * 1000 / SAMPLE_RATE)
    return late, float(lags[peak] / max(lags[limit], 1e-9 * power))


def _envelopes(wave: np.ndarray) -> np.ndarray:
    """``(samples,)`` → ``(bins, frames)`` log magnitudes without their means."""
    window = torch.hann_window(WINDOW_LENGTH)
    spectrum = torch.stft(torch.from_numpy(wave), WINDOW_LENGTH, HOP_LENGTH, window=window, return_complex=True)
    level = spectrum.abs().numpy().astype(np.float64)
    level = np.log(np.maximum(level, 1e-3 * max(level.max(), 1e-9)))  # 60 dB below the loudest is silence
    return level - level.mean(1, keepdims=True)


def _vertex(values: np.ndarray, peak: int) -> float:
    """Where the parabola through a peak and its neighbours has its top, in −½ … ½."""
    if not 0 < peak < len(values) - 1:
        return 0.0
    before, top, after = values[peak - 1 : peak + 2]
    curve = before - 2 * top + after
    return float(0.5 * (before - after) / curve) if curve else 0.0


def metrics() -> list[Metric]:
    """``delay``."""
    return [Metric("delay", "ms", False, EVERYWHERE, delay, "peak of the cross-correlation of log-spectrograms")]
