"""Loss on how alike two spectrograms look from spot to spot: what ViSQOL hears, as something to descend."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from train.losses import MAGNITUDE_FLOOR

N_FFT_SECONDS = 0.08
LOWEST = 50.0
EAR_Q, MIN_BANDWIDTH = 9.26449, 24.7
"""Glasberg and Moore's bandwidth of hearing, in Hz: ``f / EAR_Q + MIN_BANDWIDTH``."""
NEIGHBOURS = (0.0838251, 0.6194855, 0.0113034)
"""Weights of a spot's four sides, of itself, and of its four corners."""
INTENSITY_FLOOR = 1e-4
STRUCTURE_FLOOR = 0.01
"""ViSQOL has 0.00045: there, differences of a hundredth of a decibel still count, and their gradients have no bound."""


class SimilarityLoss(nn.Module):
    """One minus the neurogram similarity (NSIM) of two waves, as in ViSQOL v3 (arXiv 2004.09584).

    Spectra of 80 ms, 20 ms apart, in gammatone bands, as decibels; around every spot a window of 3 × 3 is compared in level
    and in how its values go up and down together. A mean difference of levels asks for the middle of what may come; this asks
    for the ups and downs themselves, however small.

    Args:
        sample_rate: in Hz.
        n_bands: gammatone filters, from 50 Hz to half the sample rate.

    Example:
        >>> wave = torch.randn(1, 16000)
        >>> abs(SimilarityLoss()(wave, wave).item()) < 1e-3
        True
    """

    window: Tensor
    bands: Tensor
    neighbours: Tensor

    def __init__(self, sample_rate: int = 16_000, n_bands: int = 21) -> None:
        super().__init__()
        self.n_fft = round(N_FFT_SECONDS * sample_rate)
        window = torch.hann_window(self.n_fft)
        self.register_buffer("window", window, persistent=False)
        bands = gammatone_bands(self.n_fft, sample_rate, n_bands)
        # The mean square of a frame, by Parseval's theorem, from the bins of one side.
        self.register_buffer("bands", bands * 2 / self.n_fft**2, persistent=False)
        side, middle, corner = NEIGHBOURS
        kernel = torch.tensor([[corner, side, corner], [side, middle, side], [corner, side, corner]])
        self.register_buffer("neighbours", kernel[None, None], persistent=False)

    def neurogram(self, wave: Tensor) -> Tensor:
        """``(B, samples)`` → ``(B, frames, bands)`` ten times the log10 of root mean squares."""
        spectrum = torch.stft(wave, self.n_fft, self.n_fft // 4, window=self.window, center=False, return_complex=True)
        power = torch.view_as_real(spectrum).square().sum(-1).transpose(1, 2) @ self.bands
        return 5 * power.clamp_min(MAGNITUDE_FLOOR**2).log10()

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """``(B, samples)`` twice → scalar."""
        with torch.no_grad():
            wanted = self.neurogram(target)
            lowest = wanted.amin((1, 2), keepdim=True)
        given = self.neurogram(output)
        return 1 - self._similarity(given - lowest, wanted - lowest).mean()

    def _similarity(self, x: Tensor, y: Tensor) -> Tensor:
        mean_x, mean_y = self._around(x), self._around(y)
        intensity = (2 * mean_x * mean_y + INTENSITY_FLOOR) / (mean_x.square() + mean_y.square() + INTENSITY_FLOOR)
        # Variances do not care for a constant, and single precision is happier with small numbers.
        middle = y.mean((1, 2), keepdim=True)
        x, y, mean_x, mean_y = x - middle, y - middle, mean_x - middle, mean_y - middle
        var_x = (self._around(x.square()) - mean_x.square()).clamp_min(0)
        var_y = (self._around(y.square()) - mean_y.square()).clamp_min(0)
        together = self._around(x * y) - mean_x * mean_y
        structure = (together + STRUCTURE_FLOOR) / ((var_x + STRUCTURE_FLOOR) * (var_y + STRUCTURE_FLOOR)).sqrt()
        return intensity * structure

    def _around(self, x: Tensor) -> Tensor:
        """Weighted mean of each spot's 3 × 3 neighbours; the edges repeat."""
        return F.conv2d(F.pad(x.unsqueeze(1), (1, 1, 1, 1), mode="replicate"), self.neighbours).squeeze(1)


def gammatone_bands(n_fft: int, sample_rate: int, n_bands: int) -> Tensor:
    """``(n_fft // 2 + 1, n_bands)`` power gains of gammatone filters of order 4, evenly apart on the scale of hearing.

    Example:
        >>> gammatone_bands(1280, 16000, 21).amax(0).min().item() > 0.5
        True
    """
    offset = EAR_Q * MIN_BANDWIDTH
    low, high = (torch.tensor(f + offset).log() for f in (LOWEST, sample_rate / 2))
    # As in Slaney's ERBSpace: the lowest is at its frequency, the highest one step below half the sample rate.
    centres = (high + (low - high) * torch.arange(n_bands, 0, -1) / n_bands).exp() - offset
    widths = 1.019 * (centres / EAR_Q + MIN_BANDWIDTH)
    frequencies = torch.linspace(0, sample_rate / 2, n_fft // 2 + 1)
    return (1 + ((frequencies[:, None] - centres) / widths).square()) ** -4
