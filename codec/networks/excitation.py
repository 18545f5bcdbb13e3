"""What drives a voice: harmonics of a moving pitch, and noise, both functions of the absolute position in the stream.

Phases are integers, 2³² to a turn. Sums of integers do not depend on where they are cut, so that a stream, a whole file and a
batch give the same samples bit for bit. A window may begin anywhere: its phase is told at one sample, the anchor, and runs
forwards and backwards from there.

The excitation follows neural source-filter models (Wang et al., arXiv 1904.12088); the sum of harmonics is Dirichlet's kernel.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

TURN = 1 << 32
"""Phase units of a whole turn."""
NOISE_PERIODS = 32_749, 32_719
"""Primes: the sum of two tables of these lengths repeats after 18 hours at 16 kHz."""


def at_samples(values: Tensor, hop_length: int) -> Tensor:
    """Values in the middle of frames → values at samples, on straight lines between; held before the first and after the last.

    Args:
        values: ``(B, T)``.
        hop_length: samples per frame.

    Returns:
        ``(B, T · hop_length)``.

    Example:
        >>> at_samples(torch.tensor([[0.0, 4.0]]), 4)
        tensor([[0.0000, 0.0000, 0.5000, 1.5000, 2.5000, 3.5000, 4.0000, 4.0000]])
    """
    held = torch.cat([values[:, :1], values, values[:, -1:]], dim=1)
    before, here, after = held[:, :-2, None], held[:, 1:-1, None], held[:, 2:, None]
    offset = (torch.arange(hop_length, device=values.device) + 0.5) / hop_length - 0.5
    return torch.where(offset < 0, here - offset * (before - here), here + offset * (after - here)).flatten(1)


def turns(frequency: Tensor, sample_rate: int) -> Tensor:
    """Frequencies in Hz → phase units per sample, int64 of the same shape."""
    return (frequency.double() * (TURN / sample_rate)).round().long()


def phases(steps: Tensor, anchor: int, phase: Tensor) -> Tensor:
    """Phase at the beginning of every step.

    Args:
        steps: ``(B, N, …)`` int64, by how much the phase grows in each step.
        anchor: index of the step at whose beginning the phase is known, 0 … N.
        phase: ``(B, …)`` int64, what it is there.

    Returns:
        ``(B, N + 1, …)`` int64 in 0 … 2³² − 1; the last one is where the next step would begin.

    Example:
        >>> phases(torch.tensor([[5, 6, 7]]), 1, torch.tensor([100])).tolist()
        [[95, 100, 106, 113]]
    """
    sums = torch.cat([torch.zeros_like(steps[:, :1]), steps.cumsum(1)], dim=1)
    return (sums - sums[:, anchor : anchor + 1] + phase[:, None]) % TURN


def radians(phase: Tensor) -> Tensor:
    """Phase units → radians, float32."""
    return (phase.double() * (2 * math.pi / TURN)).float()


def harmonics(phase: Tensor, frequency: Tensor, highest: float) -> Tensor:
    """All harmonics up to a frequency, equally strong, of unit variance together: a pulse train without aliases.

    Args:
        phase: ``(B, N)`` of the fundamental, in phase units.
        frequency: ``(B, N)`` of the fundamental, in Hz.
        highest: frequency of the last harmonic at most, in Hz.

    Returns:
        ``(B, N)`` float32.
    """
    angle, count = radians(phase), torch.floor(highest / frequency).clamp_min(1)
    half = torch.sin(angle / 2)
    at_pulse = half.abs() < 1e-4  # where the quotient tends to the number of harmonics
    kernel = 0.5 * (torch.sin((count + 0.5) * angle) / torch.where(at_pulse, 1.0, half) - 1)
    return torch.where(at_pulse, count, kernel) * torch.sqrt(2 / count)


def _table(length: int, first: int) -> Tensor:
    """Uniform noise of variance ½ by SplitMix64: the same on every machine."""
    state = (np.arange(length, dtype=np.uint64) + np.uint64(first)) * np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        state = (state ^ (state >> np.uint64(shift))) * np.uint64(factor)
    uniform = ((state ^ (state >> np.uint64(31))) >> np.uint64(40)).astype(np.float64) / (1 << 24) - 0.5
    return torch.from_numpy((uniform * math.sqrt(6)).astype(np.float32))


_TABLES = tuple(_table(length, 1 + index * 1_000_000) for index, length in enumerate(NOISE_PERIODS))


def noise(start: int, samples: int) -> Tensor:
    """White noise of unit variance, which every stream has at the same positions.

    Args:
        start: position of the first sample in the stream; may be negative.
        samples: how many.

    Returns:
        ``(samples,)`` float32.

    Example:
        >>> torch.equal(noise(0, 100)[40:], noise(40, 60))
        True
    """
    position = torch.arange(start, start + samples)
    first, second = _TABLES
    return first[position % len(first)] + second[position % len(second)]
