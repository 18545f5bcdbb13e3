"""Noise → log-mel, led by tokens → wave. All at 50 Hz, on the block that every network here is made of."""

from __future__ import annotations

import math

import torch
from einops import rearrange
from torch import Tensor, nn

from codec.config import DiffusionDecoderConfig, ModelConfig
from codec.networks.convnext import ConvNeXt
from codec.networks.decoder import ISTFTHead, TokenFrames
from codec.networks.samplers import Sampling, Schedule, sample

TIME_DIM = 64
"""Sines and cosines that tell the denoiser how noisy its input is."""


class MelVocoder(nn.Module):
    """Normalised log-mel, folded to 50 Hz → wave.

    Args:
        config: sizes.
        width: of the folded log-mel.
        hop_length: samples per 50 Hz frame.
    """

    def __init__(self, config: DiffusionDecoderConfig, width: int, hop_length: int) -> None:
        super().__init__()
        self.project = nn.Linear(width, config.vocoder_dim)
        self.backbone = ConvNeXt(config.vocoder_dim, config.vocoder_hidden_dim, config.vocoder_dilations)
        self.head = ISTFTHead(config.vocoder_dim, config.n_fft, hop_length)

    def forward(self, mel: Tensor) -> Tensor:
        """``(B, T, width)`` → ``(B, T · hop_length)``."""
        wave: Tensor = self.head(self.backbone(self.project(mel)))
        return wave


class DiffusionDecoder(TokenFrames):
    """Denoiser and vocoder.

    Log-mel is folded: the two frames of 10 ms in one of 20 ms lie side by side, so that it lines up with tokens.

    Args:
        config: sizes.
        model: whose tokens are decoded.
        acoustic_dim: width of acoustic values.
    """

    mean: Tensor
    deviation: Tensor
    alphas_cumprod: Tensor

    def __init__(self, config: DiffusionDecoderConfig, model: ModelConfig, acoustic_dim: int) -> None:
        super().__init__(config.dim, model.stacks, model.semantic_dims, acoustic_dim)
        self.config = config
        self.fold = model.hop_length // model.mel.hop_length
        self.width = self.fold * model.mel.n_mels
        self.no_tokens = nn.Parameter(torch.zeros(config.dim))
        self.noisy = nn.Linear(self.width, config.dim)
        self.time = nn.Sequential(nn.Linear(TIME_DIM, config.dim), nn.SiLU(), nn.Linear(config.dim, config.dim))
        self.denoiser = ConvNeXt(config.dim, config.hidden_dim, config.dilations)
        self.velocity = nn.Linear(config.dim, self.width)
        self.vocoder = MelVocoder(config, self.width, model.hop_length)
        self.register_buffer("mean", torch.zeros(model.mel.n_mels))
        self.register_buffer("deviation", torch.ones(model.mel.n_mels))
        self.register_buffer("alphas_cumprod", torch.linspace(0.9999, 0, config.noise_steps))

    @property
    def schedule(self) -> Schedule:
        """Of the noise that it was trained with."""
        return Schedule(self.alphas_cumprod, self.alphas_cumprod.sqrt(), (1 - self.alphas_cumprod).sqrt())

    def normalise(self, mel: Tensor) -> Tensor:
        """Log-mel ``(B, fold · T, M)`` → ``(B, T, width)`` with mean 0 and variance 1."""
        return rearrange((mel - self.mean) / self.deviation, "b (t f) m -> b t (f m)", f=self.fold)

    def forward(self, noisy: Tensor, steps: Tensor, frames: Tensor) -> Tensor:
        """What the network thinks of v.

        Args:
            noisy: ``(B, T, width)`` normalised log-mel under noise.
            steps: ``(B,)`` how much of it.
            frames: ``(B, T, dim)`` of the tokens, or ``no_tokens``.

        Returns:
            ``(B, T, width)``.
        """
        x = self.noisy(noisy) + self.time(_waves(steps)).unsqueeze(1) + frames
        v: Tensor = self.velocity(self.denoiser(x))
        return v

    def sample(self, frames: Tensor, sampling: Sampling, generator: torch.Generator) -> Tensor:
        """Tokens' frames ``(B, T, dim)`` → ``(B, T, width)`` normalised log-mel; every item starts from the same noise.

        Args:
            frames: of the tokens.
            sampling: settings.
            generator: on the CPU.
        """
        batch, length, _ = frames.shape
        both = torch.cat([self.no_tokens.expand_as(frames), frames])

        def velocity(x: Tensor, step: int) -> Tensor:
            if sampling.guidance == 1:
                return self(x, torch.full((batch,), step, device=x.device), frames)
            steps = torch.full((2 * batch,), step, device=x.device)
            empty, given = self(torch.cat([x, x]), steps, both).chunk(2)
            return empty + sampling.guidance * (given - empty)

        def draw() -> Tensor:
            return torch.randn(length, self.width, generator=generator).to(frames).expand(batch, -1, -1)

        return sample(velocity, self.schedule, draw, sampling)


def _waves(steps: Tensor) -> Tensor:
    """``(B,)`` → ``(B, 64)``."""
    half = TIME_DIM // 2
    frequencies = torch.exp(torch.arange(half, device=steps.device) * (-math.log(10_000.0) / half))
    angles = steps.float().unsqueeze(1) * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=-1)
