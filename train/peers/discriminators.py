"""Discriminators of peers: spectrograms, as EnCodec's, and every n-th sample, as HiFi-GAN's and DAC's."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from train.discriminator import DiscriminatorOutput, MultiResolutionDiscriminator
from train.peers.config import Losses

CHANNELS = 16


class PeriodDiscriminator(nn.Module):
    """Strided convolutions over every n-th sample (Kong et al., HiFi-GAN, arXiv 2010.05646), narrow.

    Args:
        period: n.
        channels: of the first layer; twice and four times as many follow.
    """

    def __init__(self, period: int, channels: int = CHANNELS) -> None:
        super().__init__()
        self.period = period
        widths = (1, channels, 2 * channels, 4 * channels, 4 * channels)
        self.layers = nn.ModuleList(
            weight_norm(nn.Conv2d(before, after, (5, 1), (3, 1), (2, 0))) for before, after in pairwise(widths)
        )
        self.out = weight_norm(nn.Conv2d(widths[-1], 1, (3, 1), padding=(1, 0)))

    def forward(self, wave: Tensor) -> DiscriminatorOutput:
        """``(B, samples)`` → discriminator output."""
        padded = F.pad(wave, (0, -wave.shape[-1] % self.period))
        x, maps = padded.unflatten(-1, (-1, self.period))[:, None], []
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.1)
            maps.append(x)
        return DiscriminatorOutput(self.out(x), maps)


class Discriminators(nn.Module):
    """All discriminators of a peer.

    Args:
        losses: of the peer.
    """

    def __init__(self, losses: Losses) -> None:
        super().__init__()
        self.spectra = MultiResolutionDiscriminator(channels=CHANNELS)
        self.periods = nn.ModuleList(PeriodDiscriminator(period) for period in losses.periods)

    def forward(self, wave: Tensor) -> list[DiscriminatorOutput]:
        """``(B, samples)`` → a discriminator output each."""
        return [*self.spectra(wave), *(discriminator(wave) for discriminator in self.periods)]


def discriminators_of(losses: Losses, seed: int) -> Discriminators | None:
    """Those that a peer is trained against, the same for the same seed; None without."""
    if not (losses.adversarial or losses.feature):
        return None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed + 1)
        return Discriminators(losses)
