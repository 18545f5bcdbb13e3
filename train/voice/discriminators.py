"""Discriminators that look at spectrograms without phases: the decoder's head chooses envelopes, its phases are nobody's.

One sees the envelope as the codec's front end draws it (80 bands, 40 ms), where a decoder that hedges is too smooth; the others
see single bins of shorter windows, where noise and harmonics differ. A discriminator that saw phases would tell every vocoder
with a pulse train from a throat, whatever it says.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from codec.networks.frontend import MAGNITUDE_FLOOR, MEL_CENTRE, EnvelopeMel
from train.discriminator import DiscriminatorOutput

SLOPE = 0.2
"""Of leaky rectifiers."""


class Bins(nn.Module):
    """log10 magnitudes of single bins.

    Args:
        n_fft: window length in samples; the hop is a quarter.
    """

    window: Tensor

    def __init__(self, n_fft: int) -> None:
        super().__init__()
        self.n_fft = n_fft
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)

    def forward(self, wave: Tensor) -> Tensor:
        """``(B, samples)`` → ``(B, T, n_fft / 2)``."""
        spectrum = torch.stft(wave, self.n_fft, self.n_fft // 4, window=self.window, return_complex=True)
        magnitude = spectrum[:, 1:].abs() * (2 / self.window.sum())
        return magnitude.clamp_min(MAGNITUDE_FLOOR).log10().transpose(1, 2)


class SpectrogramDiscriminator(nn.Module):
    """Strided convolutions over a picture of time and frequency.

    Args:
        picture: ``(B, samples)`` → ``(B, T, F)`` log10 magnitudes.
        channels: of the first layer; the others have twice as many.
        time_strides: of each layer.
    """

    def __init__(self, picture: nn.Module, channels: int, time_strides: Sequence[int] = (1, 2, 1, 2)) -> None:
        super().__init__()
        self.picture = picture
        widths = [2, channels] + [2 * channels] * (len(time_strides) - 1)
        self.layers = nn.ModuleList(
            weight_norm(nn.Conv2d(inputs, outputs, (3, 5), (stride, 2), (1, 2)))
            for inputs, outputs, stride in zip(widths, widths[1:], time_strides, strict=False)
        )
        self.out = weight_norm(nn.Conv2d(2 * channels, 1, 3, padding=1))

    def forward(self, wave: Tensor) -> DiscriminatorOutput:
        """``(B, samples)`` → discriminator output."""
        x = self.picture(wave) + MEL_CENTRE
        height = torch.linspace(-1, 1, x.shape[-1], device=x.device, dtype=x.dtype).expand_as(x)
        x = torch.stack([x, height], 1).contiguous(memory_format=torch.channels_last)
        maps = []
        for layer in self.layers:
            x = F.leaky_relu(layer(x), SLOPE)
            maps.append(x)
        return DiscriminatorOutput(self.out(x), maps)


class Discriminators(nn.Module):
    """One `SpectrogramDiscriminator` of the envelope and one for each window length.

    Args:
        sample_rate: in Hz.
        n_ffts: window lengths in samples.
        channels: see `SpectrogramDiscriminator`.
    """

    def __init__(self, sample_rate: int, n_ffts: Sequence[int], channels: int) -> None:
        super().__init__()
        discriminators = [SpectrogramDiscriminator(EnvelopeMel(sample_rate), 2 * channels)]
        discriminators += [SpectrogramDiscriminator(Bins(n_fft), channels, (1, 1, 2, 1)) for n_fft in n_ffts]
        self.discriminators = nn.ModuleList(discriminators)

    def forward(self, wave: Tensor) -> list[DiscriminatorOutput]:
        """``(B, samples)`` → a discriminator output of each."""
        return [discriminator(wave) for discriminator in self.discriminators]
