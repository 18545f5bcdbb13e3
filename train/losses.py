"""Reconstruction loss: L1 between log-spectrograms at several window lengths (as in DAC, arXiv 2306.06546)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from codec.networks.frontend import MAGNITUDE_FLOOR, window_and_bank

LINEAR_N_FFT = 1024
LINEAR_WEIGHT = 0.25
"""Share of a loss on single bins of one scale: mel bands are too wide above 2 kHz to tell harmonics apart."""


class MultiScaleMelLoss(nn.Module):
    """Mean absolute difference of log10 mel magnitudes, averaged over scales; see also `ReconstructionLoss`.

    Args:
        sample_rate: in Hz.
        n_ffts: window lengths in samples; the hop is a quarter.
        n_mels: bands at each scale.

    Example:
        >>> wave = torch.randn(1, 16000)
        >>> MultiScaleMelLoss()(wave, wave).item()
        0.0
    """

    def __init__(
        self,
        sample_rate: int = 16_000,
        n_ffts: Sequence[int] = (256, 512, 1024, 2048),
        n_mels: Sequence[int] = (20, 40, 80, 128),
    ) -> None:
        super().__init__()
        self.n_ffts = tuple(n_ffts)
        for n_fft, bands in zip(n_ffts, n_mels, strict=True):
            window, bank = window_and_bank(n_fft, bands, sample_rate)
            self.register_buffer(f"window_{n_fft}", window, persistent=False)
            self.register_buffer(f"bank_{n_fft}", bank, persistent=False)

    def spectra(self, wave: Tensor, n_fft: int) -> Tensor:
        """``(B, samples)`` → ``(B, frames, bands)`` log10 magnitudes."""
        spectrum = torch.stft(wave, n_fft, n_fft // 4, window=self.get_buffer(f"window_{n_fft}"), return_complex=True)
        mel = spectrum.abs().transpose(1, 2) @ self.get_buffer(f"bank_{n_fft}")
        return mel.clamp_min(MAGNITUDE_FLOOR).log10()

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """``(B, samples)`` twice → scalar."""
        losses = []
        for n_fft in self.n_ffts:
            with torch.no_grad():
                wanted = self.spectra(target, n_fft)
            losses.append((self.spectra(output, n_fft) - wanted).abs().mean())
        return torch.stack(losses).mean()


class ReconstructionLoss(MultiScaleMelLoss):
    """`MultiScaleMelLoss` plus a share of the same distance between single bins of a 64 ms window: what is trained on."""

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """``(B, samples)`` twice → scalar."""
        with torch.no_grad():
            wanted = self._bins(target)
        return super().forward(output, target) + LINEAR_WEIGHT * (self._bins(output) - wanted).abs().mean()

    def _bins(self, wave: Tensor) -> Tensor:
        window = self.get_buffer(f"window_{LINEAR_N_FFT}")
        spectrum = torch.stft(wave, LINEAR_N_FFT, LINEAR_N_FFT // 4, window=window, return_complex=True)
        return (spectrum.abs() * (2 / window.sum())).clamp_min(MAGNITUDE_FLOOR).log10()
