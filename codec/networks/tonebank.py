"""Tones that stay tones: one sine a band, with a frequency that moves inside the band and a phase that never jumps.

A network that predicts phases cannot count frames, and whatever it draws between the centres of bins drifts and cancels itself.
Here it predicts frequencies; phases are their sums, and each sine is put into a frame's spectrum as the main lobe of the
window (additive synthesis in the frequency domain, Rodet and Depalle 1992).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from codec.networks.excitation import phases, radians, turns

LOBE = 2
"""Bins on either side of a sine's frequency that a Hann window's main lobe covers. What lies beyond is left out, which makes
lines 50 dB below the tone, a frame rate away from it."""
STRETCH = 1.15
"""Bands overlap by this factor, so that a tone at an edge can be drawn by both."""


def mel(hertz: float) -> float:
    """O'Shaughnessy's mel scale."""
    return 2595 * math.log10(1 + hertz / 700)


class ToneBank(nn.Module):
    """Bands on the mel scale.

    Args:
        n_bands: how many; each draws one tone.
        n_fft: of the frames that tones are drawn into, with a Hann window.
        hop_length: of frames, in samples.
        sample_rate: in Hz.
        lowest: lower edge of the first band, in Hz; the last one ends just below half the sample rate.
    """

    centre: Tensor
    half_width: Tensor

    def __init__(self, n_bands: int, n_fft: int, hop_length: int, sample_rate: int, lowest: float = 50.0) -> None:
        super().__init__()
        self.n_fft, self.hop_length, self.sample_rate = n_fft, hop_length, sample_rate
        points = torch.linspace(mel(lowest), mel(0.4975 * sample_rate), n_bands + 1)
        edges = 700 * (10 ** (points / 2595) - 1)
        self.register_buffer("centre", (edges[1:] + edges[:-1]) / 2, persistent=False)
        self.register_buffer("half_width", (edges[1:] - edges[:-1]) / 2, persistent=False)

    def frequency(self, offset: Tensor) -> Tensor:
        """``(…, n_bands)`` places of −1 … 1 → frequencies in Hz, each inside its band or just beside it."""
        return self.centre + STRETCH * self.half_width * offset

    def offset(self, frequency: Tensor) -> Tensor:
        """``(…, n_bands)`` in Hz → places, cut at ±1."""
        return ((frequency - self.centre) / (STRETCH * self.half_width)).clamp(-1, 1)

    def phases(self, frequency: Tensor, anchor: int, phase: Tensor) -> Tensor:
        """Phases at the beginnings of frames.

        Args:
            frequency: ``(B, T, n_bands)`` in Hz.
            anchor: frame at whose beginning phases are known.
            phase: ``(B, n_bands)`` int64, what they are there.

        Returns:
            ``(B, T + 1, n_bands)`` int64; the last are where the next frame would begin.
        """
        return phases(turns(frequency, self.sample_rate) * self.hop_length, anchor, phase)

    def spectrum(self, frequency: Tensor, amplitude: Tensor, phase: Tensor) -> Tensor:
        """Draws tones into frames.

        Args:
            frequency: ``(B, T, n_bands)`` in Hz.
            amplitude: ``(B, T, n_bands)``.
            phase: ``(B, T, n_bands)`` int64 at the beginnings of frames.

        Returns:
            ``(B, T, n_fft // 2 + 1)`` complex: what a transform of a Hann-windowed frame around the middle of each hop gives.
        """
        angle = radians(phase + turns(frequency, self.sample_rate) * (self.hop_length // 2))[..., None]
        position = frequency * (self.n_fft / self.sample_rate)
        bins = position.round().long()[..., None] + torch.arange(-LOBE, LOBE + 1, device=frequency.device)
        last = self.n_fft // 2
        inside = (bins >= 0) & (bins <= last)
        # The frame's time counts from its first sample: around its middle, neighbouring bins have opposite signs.
        sign = 1 - 2 * (bins % 2)
        lobe = hann_lobe(bins - position[..., None]) * sign * inside * (amplitude * self.n_fft / 4)[..., None]
        at = bins.clamp(0, last).flatten(2)
        empty = lobe.new_zeros(*frequency.shape[:2], last + 1)
        real = empty.scatter_add(2, at, (lobe * torch.cos(angle)).flatten(2))
        imaginary = empty.scatter_add(2, at, (lobe * torch.sin(angle)).flatten(2))
        return torch.complex(real, imaginary)


def hann_lobe(offset: Tensor) -> Tensor:
    """Transform of a Hann window around its middle, relative to its peak, at an offset in bins.

    Example:
        >>> hann_lobe(torch.tensor([0.0, 1.0]))
        tensor([1.0000, 0.5000])
    """
    # sinc(x) / (1 − x²), whose singularities at ±1 are ½.
    rest = 1 - offset.square()
    single = rest.abs() < 1e-3
    return torch.where(single, 0.5, torch.sinc(offset) / torch.where(single, 1.0, rest))
