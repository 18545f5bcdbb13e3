"""Loss on how envelopes rise and fall together over a third of a second: what STOI hears, as something to descend."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from train.losses import MAGNITUDE_FLOOR
from train.parallel import part_of_mean

WINDOW_SECONDS, SEGMENT_FRAMES, SEGMENT_HOP = 0.0256, 30, 3
"""STOI's frames, half of which overlap, and its segments of 384 ms; every third is enough for a gradient."""
LOWEST_CENTRE, N_BANDS = 150.0, 15
CLIPPED = 1 + 10 ** (15 / 20)
"""An envelope counts as no more than so many times the original's: −15 dB of signal to distortion."""
QUIET = 1e-4
"""Of the loudest segment's energy; STOI leaves out frames that are 40 dB below the loudest."""
STEADY = 0.05
"""Share of a segment's energy that is fluctuation; with less, it counts less: steady tones fluctuate by chance alone."""


class IntelligibilityLoss(nn.Module):
    """One minus short-time objective intelligibility (STOI, Taal et al. 2011), without its resampling to 10 kHz.

    Envelopes in third-octave bands from 150 Hz to 4.3 kHz, in segments of 384 ms: in each band the output's is scaled to the
    original's energy, clipped, and correlated with it. Where the original is silent or steady there is nothing to follow.

    Args:
        sample_rate: in Hz.

    Example:
        >>> wave = torch.randn(1, 16000)
        >>> abs(IntelligibilityLoss()(wave, wave).item()) < 1e-3
        True
    """

    window: Tensor
    bands: Tensor

    def __init__(self, sample_rate: int = 16_000) -> None:
        super().__init__()
        length = 2 * round(WINDOW_SECONDS * sample_rate / 2)
        self.n_fft, self.hop_length = 2 ** (length - 1).bit_length() * 2, length // 2
        window = torch.zeros(self.n_fft)
        window[:length] = torch.hann_window(length)
        self.register_buffer("window", window, persistent=False)
        self.register_buffer("bands", third_octaves(self.n_fft, sample_rate), persistent=False)

    def envelopes(self, wave: Tensor) -> Tensor:
        """``(B, samples)`` → ``(B, bands, segments, frames)``."""
        spectrum = torch.stft(wave, self.n_fft, self.hop_length, window=self.window, center=False, return_complex=True)
        power = torch.view_as_real(spectrum).square().sum(-1).transpose(1, 2) @ self.bands
        envelopes = power.clamp_min(MAGNITUDE_FLOOR**2).sqrt().transpose(1, 2)
        return envelopes.unfold(2, SEGMENT_FRAMES, SEGMENT_HOP)

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """``(B, samples)`` twice, of half a second or more → scalar."""
        with torch.no_grad():
            wanted = self.envelopes(target)
            energy = wanted.square().sum(-1)
            moves = wanted - wanted.mean(-1, keepdim=True)
            size = moves.square().sum(-1)
            loud = energy.sum(1, keepdim=True)
            heard = loud > QUIET * loud.amax(2, keepdim=True)
            weight = (size / energy / STEADY).clamp_max(1) * heard
        given = self.envelopes(output)
        scale = (energy / given.square().sum(-1).clamp_min(MAGNITUDE_FLOOR)).sqrt()
        given = torch.minimum(given * scale[..., None], CLIPPED * wanted)
        given = given - given.mean(-1, keepdim=True)
        product = (given * moves).sum(-1)
        likeness = product / (given.square().sum(-1) * size).clamp_min(MAGNITUDE_FLOOR**2).sqrt()
        total = weight.sum().clamp_min(1e-6)
        return (weight * (1 - likeness)).sum() / total * part_of_mean(total)


def third_octaves(n_fft: int, sample_rate: int) -> Tensor:
    """``(n_fft // 2 + 1, N_BANDS)``: which bins belong to which band.

    Example:
        >>> third_octaves(1024, 16000).sum(0)[:3].tolist()
        [2.0, 3.0, 4.0]
    """
    centres = LOWEST_CENTRE * 2 ** (torch.arange(N_BANDS) / 3)
    frequencies = torch.linspace(0, sample_rate / 2, n_fft // 2 + 1)[:, None]
    return ((frequencies >= centres * 2 ** (-1 / 6)) & (frequencies < centres * 2 ** (1 / 6))).float()
