"""Distances between spectrograms, as DAC trains on and reports them (arXiv 2306.06546)."""

from __future__ import annotations

import warnings
from functools import cache

import torch
import torchaudio
from torch import Tensor

from codec.data.domains import DOMAINS
from eval.reconstruction.interface import Metric, MetricError, Pair

SAMPLE_RATE = 16_000
MEL_WINDOWS = (32, 64, 128, 256, 512, 1024, 2048)
N_MELS = (5, 10, 20, 40, 80, 160, 320)
STFT_WINDOWS = (2048, 512)
FLOOR = 1e-5
"""Magnitudes are clamped here before their logarithm; a full-scale sine has half a window length."""


def mel_distance(reference: Tensor, output: Tensor, sample_rate: int = SAMPLE_RATE) -> Tensor:
    """Multi-scale mel distance: L1 between log10 mel magnitudes, summed over seven resolutions.

    The parameters of DAC's training loss: periodic Hann windows of 32, 64, … 2048 samples, hop a quarter, reflected ends;
    5, 10, … 320 bands from 0 Hz to half the sample rate on Slaney's scale, of equal area; magnitudes, not powers, clamped
    at 1e-5; mean over bands and frames, sum over windows. (DAC's evaluation script leaves the loss at other defaults;
    the 3–8 of SemantiCodec's Table II have the size of this one.)

    Args:
        reference: ``(B, samples)``, more than 1024 samples.
        output: the same shape.
        sample_rate: of both, in Hz; the windows are in samples, so that figures compare at one rate only.

    Returns:
        ``(B,)``.

    Example:
        >>> wave = torch.randn(1, 16000)
        >>> mel_distance(wave, wave).tolist()
        [0.0]
    """
    total = torch.zeros(len(reference))
    for window_length, n_mels in zip(MEL_WINDOWS, N_MELS, strict=True):
        bank = _mel_bank(sample_rate, window_length, n_mels)
        logs = [(_magnitudes(wave, window_length) @ bank).clamp_min(FLOOR).log10() for wave in (reference, output)]
        total += (logs[0] - logs[1]).abs().mean((1, 2))
    return total


def stft_distance(reference: Tensor, output: Tensor) -> Tensor:
    """Multi-scale STFT distance: L1 between log10 powers plus L1 between magnitudes, summed over two resolutions.

    The parameters of DAC's loss of that name: periodic Hann windows of 2048 and 512 samples, hop a quarter, reflected
    ends; magnitudes clamped at 1e-5 before they are squared.

    Args:
        reference: ``(B, samples)``, more than 1024 samples.
        output: the same shape.

    Returns:
        ``(B,)``.
    """
    total = torch.zeros(len(reference))
    for window_length in STFT_WINDOWS:
        first, second = (_magnitudes(wave, window_length) for wave in (reference, output))
        logs = [magnitude.clamp_min(FLOOR).pow(2).log10() for magnitude in (first, second)]
        total += (logs[0] - logs[1]).abs().mean((1, 2)) + (first - second).abs().mean((1, 2))
    return total


def metrics() -> list[Metric]:
    """``mel_distance`` and ``stft_distance`` at 16 kHz."""
    cite = "Kumar et al., High-fidelity audio compression with improved RVQGAN, arXiv 2306.06546"
    return [
        Metric("mel_distance", "", False, DOMAINS, lambda pair: float(mel_distance(*_tensors(pair))), cite),
        Metric("stft_distance", "", False, DOMAINS, lambda pair: float(stft_distance(*_tensors(pair))), cite),
    ]


def _tensors(pair: Pair) -> tuple[Tensor, Tensor]:
    pair = pair.at(SAMPLE_RATE)
    if len(pair.reference) <= max(MEL_WINDOWS) // 2:
        raise MetricError(f"{len(pair.reference) / SAMPLE_RATE:.3f} s are less than half a window of 2048 samples at 16 kHz")
    return torch.from_numpy(pair.reference)[None], torch.from_numpy(pair.output)[None]


def _magnitudes(wave: Tensor, window_length: int) -> Tensor:
    """``(B, samples)`` → ``(B, frames, bins)``."""
    window = torch.hann_window(window_length)
    return torch.stft(wave, window_length, window_length // 4, window=window, return_complex=True).abs().transpose(1, 2)


@cache
def _mel_bank(sample_rate: int, window_length: int, n_mels: int) -> Tensor:
    """``(bins, bands)``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # with 320 bands some lie between two bins; DAC has these, too
        return torchaudio.functional.melscale_fbanks(
            window_length // 2 + 1, 0.0, sample_rate / 2, n_mels, sample_rate, norm="slaney", mel_scale="slaney"
        )
