"""A light discriminator on complex spectrograms at several resolutions (EnCodec's MS-STFT discriminator, arXiv 2210.13438)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from train.parallel import shared_mean

COMPRESSION, FLOOR = 0.3, 1e-5
"""Magnitudes are raised to this power, phases kept."""


@dataclass(frozen=True)
class DiscriminatorOutput:
    """What one resolution thinks of a wave.

    Attributes:
        logits: ``(B, 1, T', F')``; positive means real.
        maps: activations of every layer, for feature matching.
    """

    logits: Tensor
    maps: list[Tensor]


class STFTDiscriminator(nn.Module):
    """Strided convolutions over real and imaginary parts.

    Args:
        n_fft: window length in samples; the hop is a quarter.
        channels: of every layer.
    """

    window: Tensor

    def __init__(self, n_fft: int, channels: int) -> None:
        super().__init__()
        self.n_fft = n_fft
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)

        def layer(inputs: int, time_dilation: int) -> nn.Module:
            padding = (time_dilation, 4)
            return weight_norm(nn.Conv2d(inputs, channels, (3, 9), (1, 2), padding, dilation=(time_dilation, 1)))

        self.layers = nn.ModuleList([layer(2, 1), layer(channels, 1), layer(channels, 2), layer(channels, 4)])
        self.out = weight_norm(nn.Conv2d(channels, 1, 3, padding=1))

    def forward(self, wave: Tensor) -> DiscriminatorOutput:
        """``(B, samples)`` → discriminator output."""
        spectrum = torch.stft(wave, self.n_fft, self.n_fft // 4, window=self.window, normalized=True, return_complex=True)
        # Loud and quiet parts weigh alike, as they do to an ear.
        spectrum = spectrum * (spectrum.abs() + FLOOR).pow(COMPRESSION - 1)
        x = torch.view_as_real(spectrum).permute(0, 3, 2, 1)  # (B, 2, T', F')
        x = x.contiguous(memory_format=torch.channels_last)
        maps = []
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.2)
            maps.append(x)
        return DiscriminatorOutput(self.out(x), maps)


class MultiResolutionDiscriminator(nn.Module):
    """One `STFTDiscriminator` per window length.

    Args:
        n_ffts: window lengths in samples.
        channels: of every layer.
    """

    def __init__(self, n_ffts: Sequence[int] = (2048, 1024, 512), channels: int = 16) -> None:
        super().__init__()
        self.discriminators = nn.ModuleList(STFTDiscriminator(n_fft, channels) for n_fft in n_ffts)

    def forward(self, wave: Tensor) -> list[DiscriminatorOutput]:
        """``(B, samples)`` → a discriminator output per resolution."""
        return [discriminator(wave) for discriminator in self.discriminators]


def discriminator_loss(real: Sequence[DiscriminatorOutput], fake: Sequence[DiscriminatorOutput]) -> Tensor:
    """Hinge loss: real above 1, fake below −1."""
    losses = [F.relu(1 - r.logits).mean() + F.relu(1 + f.logits).mean() for r, f in zip(real, fake, strict=True)]
    return torch.stack(losses).mean()


def adversarial_loss(fake: Sequence[DiscriminatorOutput]) -> Tensor:
    """What the generator pays for not being taken for real."""
    return torch.stack([F.relu(1 - f.logits).mean() for f in fake]).mean()


def feature_loss(real: Sequence[DiscriminatorOutput], fake: Sequence[DiscriminatorOutput]) -> Tensor:
    """L1 between activations, relative to their size on real audio (that of all processes)."""
    losses = [
        (ours - theirs.detach()).abs().mean() / shared_mean(theirs.abs().mean()).clamp_min(1e-5)
        for r, f in zip(real, fake, strict=True)
        for theirs, ours in zip(r.maps, f.maps, strict=True)
    ]
    return torch.stack(losses).mean()
