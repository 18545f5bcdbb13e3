"""The noise schedule of the paper: a cosine, corrected so that the last step holds no signal (arXiv 2305.08891); its use."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from codec.networks.samplers import Schedule


def zero_terminal_cosine(steps: int = 1000) -> Schedule:
    """Cosine schedule (arXiv 2102.09672) with a signal-to-noise ratio of zero at its end.

    Example:
        >>> schedule = zero_terminal_cosine()
        >>> float(schedule.alphas_cumprod[-1])
        0.0
    """
    time = torch.arange(1, steps + 1, dtype=torch.float64) / steps
    start = math.cos(0.008 / 1.008 * math.pi / 2)
    signal = torch.cos((time + 0.008) / 1.008 * math.pi / 2) / start
    # Shift so that the last is zero, scale so that the first stays what it was.
    signal = (signal - signal[-1]) * signal[0] / (signal[0] - signal[-1])
    return Schedule((signal**2).float(), signal.float(), (1 - signal**2).sqrt().float())


def add_noise(clean: Tensor, schedule: Schedule, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """A training example of each item at a step drawn for it.

    Args:
        clean: ``(B, …)``, of unit variance.
        schedule: of the noise.
        generator: on the CPU.

    Returns:
        Noisy items, their steps ``(B,)``, and the v that the network shall predict.
    """
    steps = torch.randint(len(schedule.alphas_cumprod), (len(clean),), generator=generator).to(clean.device)
    noise = torch.randn(clean.shape, generator=generator).to(clean)
    shape = (-1, *[1] * (clean.ndim - 1))
    signal = schedule.sqrt_alphas_cumprod.to(clean)[steps].view(shape)
    rest = schedule.sqrt_one_minus_alphas_cumprod.to(clean)[steps].view(shape)
    return signal * clean + rest * noise, steps, signal * noise - rest * clean
