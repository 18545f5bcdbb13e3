"""Noise → envelope, led by what tokens say. At 50 Hz, on the block that every network here is made of."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from einops import rearrange
from torch import Tensor, nn

from codec.config import DiffusionDecoderConfig
from codec.networks.convnext import ConvNeXt
from codec.networks.frontend import MEL_CENTRE
from codec.networks.pitch import MIDDLE_OCTAVE
from codec.networks.samplers import Sampling, Schedule, sample
from codec.networks.token_decoder import FRAMES_PER_TOKEN_FRAME, Frames

TIME_DIM = 64
"""Sines and cosines that tell the denoiser how noisy its input is."""


class DiffusionDecoder(nn.Module):
    """Draws an envelope that may be what tokens mean, where the fast decoder gives the mean of all that may be.

    Frames are folded: the two of 10 ms in one of 20 ms lie side by side.

    Args:
        config: sizes.
        n_mels: bands of the envelope.
        hidden_dim: width of what the fast decoder says beside envelope and pitch.
    """

    mean: Tensor
    deviation: Tensor
    alphas_cumprod: Tensor

    def __init__(self, config: DiffusionDecoderConfig, n_mels: int, hidden_dim: int) -> None:
        super().__init__()
        self.config = config
        self.width = FRAMES_PER_TOKEN_FRAME * n_mels
        self.given = nn.Linear(self.width + FRAMES_PER_TOKEN_FRAME * (2 + hidden_dim), config.dim)
        self.no_tokens = nn.Parameter(torch.zeros(config.dim))
        self.noisy = nn.Linear(self.width, config.dim)
        self.time = nn.Sequential(nn.Linear(TIME_DIM, config.dim), nn.SiLU(), nn.Linear(config.dim, config.dim))
        self.denoiser = ConvNeXt(config.dim, config.hidden_dim, config.dilations)
        self.velocity = nn.Linear(config.dim, self.width)
        self.register_buffer("mean", torch.zeros(n_mels))
        self.register_buffer("deviation", torch.ones(n_mels))
        self.register_buffer("alphas_cumprod", torch.linspace(0.9999, 0, config.noise_steps))

    @property
    def receptive_field(self) -> int:
        """Frames of 50 Hz to either side, in one step; the many steps of a sample see further, but hardly anything."""
        return self.denoiser.receptive_field

    @property
    def schedule(self) -> Schedule:
        """The noise schedule that it was trained with."""
        return Schedule(self.alphas_cumprod, self.alphas_cumprod.sqrt(), (1 - self.alphas_cumprod).sqrt())

    def normalise(self, mel: Tensor) -> Tensor:
        """Envelope ``(B, 2 · T, M)`` → ``(B, T, width)`` with mean 0 and variance 1."""
        return _fold((mel - self.mean) / self.deviation)

    def condition(self, frames: Frames) -> Tensor:
        """What tokens say about ``2 · T`` frames of 10 ms → ``(B, T, dim)``."""
        pitch = torch.stack([frames.octave - MIDDLE_OCTAVE, frames.voicing.sigmoid()], -1)
        conditions: Tensor = self.given(_fold(torch.cat([frames.mel + MEL_CENTRE, pitch, frames.hidden.float()], -1)))
        return conditions

    def forward(self, noisy: Tensor, steps: Tensor, conditions: Tensor) -> Tensor:
        """What the network thinks of v.

        Args:
            noisy: ``(B, T, width)`` normalised envelope under noise.
            steps: ``(B,)`` how much of it.
            conditions: ``(B, T, dim)`` of the tokens, or ``no_tokens``.

        Returns:
            ``(B, T, width)``.
        """
        x = self.noisy(noisy) + self.time(_waves(steps)).unsqueeze(1) + conditions
        v: Tensor = self.velocity(self.denoiser(x))
        return v

    def sample(self, conditions: Tensor, sampling: Sampling, draw: Callable[[], Tensor]) -> Tensor:
        """Conditions ``(B, T, dim)`` → envelope ``(B, 2 · T, M)`` in log10 magnitudes.

        Args:
            conditions: of the tokens.
            sampling: settings.
            draw: gives noise ``(T, width)``, the same for every item.
        """
        batch = len(conditions)
        both = torch.cat([self.no_tokens.expand_as(conditions), conditions])

        def velocity(x: Tensor, step: int) -> Tensor:
            if sampling.guidance == 1:
                return self(x, torch.full((batch,), step, device=x.device), conditions)
            steps = torch.full((2 * batch,), step, device=x.device)
            empty, given = self(torch.cat([x, x]), steps, both).chunk(2)
            return empty + sampling.guidance * (given - empty)

        clean = sample(velocity, self.schedule, lambda: draw().to(conditions).expand(batch, -1, -1), sampling)
        return rearrange(clean, "b t (two m) -> b (t two) m", two=FRAMES_PER_TOKEN_FRAME) * self.deviation + self.mean


def _fold(frames: Tensor) -> Tensor:
    return rearrange(frames, "b (t two) d -> b t (two d)", two=FRAMES_PER_TOKEN_FRAME)


def _waves(steps: Tensor) -> Tensor:
    """``(B,)`` → ``(B, 64)``."""
    half = TIME_DIM // 2
    frequencies = torch.exp(torch.arange(half, device=steps.device) * (-math.log(10_000.0) / half))
    angles = steps.float().unsqueeze(1) * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=-1)
