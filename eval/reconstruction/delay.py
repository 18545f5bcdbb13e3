"""A codec's delay: one number for all clips, known or measured once, taken out before anything is compared, and reported.

Waveforms of vocoders do not correlate with their input, the envelopes of their bands do, but only over several clips
together: on single ones the peak wanders by 2 ms and more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from itertools import islice
from typing import Protocol

import numpy as np
import torch

from codec.audio.io import resample
from codec.baselines.interface import Encoded, Reconstructor
from codec.data.domains import DOMAINS
from codec.errors import CodecError
from eval.reconstruction.interface import Metric, Pair

SAMPLE_RATE = 16_000
WINDOW_LENGTH = 256
HOP_LENGTH = 16
LIMIT_SECONDS = 0.5
CLIPS, CLIP_SECONDS = 16, 10.0
"""That are listened to, at most."""
MIN_CORRELATION = 0.2
SAME_WAVEFORM = 0.5
"""Correlation from which the waveforms tell the delay, to the sample; those of vocoders stay below 0.3."""


class Loads(Protocol):
    """A clip."""

    def load(self) -> tuple[np.ndarray, int]:
        """``(samples,)`` float32 and its sample rate in Hz."""
        ...


class InTime:
    """A codec whose delay was measured, with that taken out of what it decodes; the rest as it is.

    Args:
        codec: that does not know its delay.
        delay: of its output, in seconds.
    """

    def __init__(self, codec: Reconstructor, delay: float) -> None:
        self.name, self.version, self.trained = codec.name, codec.version, codec.trained
        self.sample_rate, self.bitrate = codec.sample_rate, codec.bitrate
        self.delay: float | None = delay
        self._codec, self._late = codec, delay

    def encode(self, wave: np.ndarray, sample_rate: int) -> Encoded:
        """Encodes as the codec does."""
        return self._codec.encode(wave, sample_rate)

    def decode(self, encoded: Encoded) -> np.ndarray:
        """What the codec gives, moved to where it belongs; what is missing then is zero."""
        wave = self._codec.decode(encoded)
        lag = round(self._late * encoded.sample_rate)
        if wave.shape != (encoded.samples,) or abs(lag) >= len(wave):
            return wave  # not audio of this clip, or next to nothing: whoever asked must say so
        return np.pad(wave[lag:], (0, lag)) if lag > 0 else np.pad(wave[: len(wave) + lag], (-lag, 0))


def advanced(codec: Reconstructor, delay: float) -> Reconstructor:
    """The codec itself if it takes its delay out by itself, else with ``delay`` seconds taken out."""
    return codec if codec.delay is not None else InTime(codec, delay)


def in_time(codec: Reconstructor, clips: Iterable[Loads]) -> Reconstructor:
    """The same with what the clips show.

    Raises:
        CodecError: it is not known, and the clips do not show it.
    """
    return codec if codec.delay is not None else InTime(codec, measure_delay(codec, clips))


def measure_delay(codec: Reconstructor, clips: Iterable[Loads]) -> float:
    """Sends clips through a codec.

    Args:
        codec: any.
        clips: the first `CLIPS` are used; those that cannot be read, or that the codec fails on, say nothing here.

    Returns:
        Seconds by which its output is late beside what is known and taken out.

    Raises:
        CodecError: input and output do not correlate, as in silence, steady tones and noise.
    """
    pairs, failure = [], None
    for clip in islice(clips, CLIPS):
        try:
            wave, rate = clip.load()
            wave = wave[: round(CLIP_SECONDS * rate)]
            output = np.asarray(codec.decode(codec.encode(wave, rate)), np.float32)
        except Exception as error:  # counted, with its reason, when the clip has its turn
            failure = error
            continue
        if output.shape == wave.shape and np.isfinite(output).all():
            pairs.append((_narrow(wave, rate), _narrow(output, rate)))
    if failure and not pairs:
        raise CodecError(f"the delay cannot be measured: {failure}") from failure
    return common_delay(pairs)


def common_delay(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> float:
    """Delay that input and output at `SAMPLE_RATE` have in common, within ±0.5 s.

    The peak of the cross-correlation of waveforms, summed over all pairs, if it is clear; else that of magnitude spectrograms
    with a hop of 1 ms. Magnitudes as they are, not their logarithms: these see a smeared onset before it is heard.

    Returns:
        Seconds, positive if the outputs are late.

    Raises:
        CodecError: too little sound, or no clear peak.
    """
    long = [(first, second) for first, second in pairs if len(first) >= 2 * WINDOW_LENGTH and first.any() and second.any()]
    if not long:
        raise CodecError("the delay cannot be measured: no clip has sound before and after the codec")
    waves = reduce(np.add, (_correlation(first[None], second[None], 1) for first, second in long)) / len(long)
    peak = int(np.abs(waves).argmax())
    if abs(waves[peak]) >= SAME_WAVEFORM:
        return (peak - len(waves) // 2) / SAMPLE_RATE
    lags = (_correlation(_magnitudes(first), _magnitudes(second), HOP_LENGTH) for first, second in long)
    bands = reduce(np.add, lags) / len(long)
    peak = int(bands.argmax())
    if bands[peak] < MIN_CORRELATION:
        raise CodecError("the delay cannot be measured: what comes out does not correlate with what goes in")
    return float((peak - len(bands) // 2 + _vertex(bands, peak)) * HOP_LENGTH / SAMPLE_RATE)


def _narrow(wave: np.ndarray, rate: int) -> np.ndarray:
    return resample(wave[None], rate, SAMPLE_RATE)[0]


def _magnitudes(wave: np.ndarray) -> np.ndarray:
    """``(samples,)`` → ``(bins, frames)`` without their means."""
    window = torch.hann_window(WINDOW_LENGTH)
    spectrum = torch.stft(torch.from_numpy(wave), WINDOW_LENGTH, HOP_LENGTH, window=window, return_complex=True)
    level = spectrum.abs().numpy().astype(np.float64)
    return level - level.mean(1, keepdims=True)


def _correlation(first: np.ndarray, second: np.ndarray, hop: int) -> np.ndarray:
    """Normalised, of ``(bands, frames)`` over all bands, at every lag within the limit; the middle is none."""
    frames, limit = first.shape[1], round(LIMIT_SECONDS * SAMPLE_RATE / hop)
    size = 1 << (frames + limit).bit_length()
    cross = np.fft.irfft((np.fft.rfft(second, size) * np.conj(np.fft.rfft(first, size))).sum(0), size)
    power = float(np.sqrt((first.astype(np.float64) ** 2).sum() * (second.astype(np.float64) ** 2).sum()))
    return np.concatenate([cross[-limit:], cross[: limit + 1]]) / max(power, 1e-12)


def _vertex(values: np.ndarray, peak: int) -> float:
    """Where the parabola through a peak and its neighbours has its top, in −½ … ½."""
    if not 0 < peak < len(values) - 1:
        return 0.0
    before, top, after = values[peak - 1 : peak + 2]
    curve = before - 2 * top + after
    return float(0.5 * (before - after) / curve) if curve else 0.0


def delay(pair: Pair) -> float:
    """The codec's delay in ms, which was removed from the output before it was compared."""
    return 1000 * pair.delay


def metrics() -> list[Metric]:
    """``delay``."""
    return [Metric("delay", "ms", False, DOMAINS, delay, "of the codec, one number for all clips; taken out of the others")]
