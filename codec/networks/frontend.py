"""What the acoustic encoder hears: an envelope, a correlogram for the pitch, and where tones are.

All are made from windows around the middle of every hop of 10 ms, so that features of a window are those of the whole.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
import torchaudio
from torch import Tensor, nn

from codec.networks.tonebank import ToneBank

MAGNITUDE_FLOOR = 10**-4.5
"""−90 dB below a full-scale sine."""
LOWEST_PITCH, HIGHEST_PITCH = 60.0, 500.0
"""Range of the correlogram, in Hz."""
CORRELOGRAM_TOP_HZ = 4_000.0
"""What lies above is hardly periodic in speech."""
COMPRESSION = 0.67
"""Exponent of magnitudes whose transform is the correlogram (0.6 … 0.7 in Tolonen and Karjalainen 2000)."""
PROMINENCE_RANGE_DB = 25.0
"""By which a peak stands out of its surroundings to count fully as a tone."""


class AcousticFeatures(NamedTuple):
    """Features at 100 Hz.

    Attributes:
        mel: ``(B, T, n_mels)`` log10 magnitudes of windows of 40 ms.
        correlogram: ``(B, T, n_lags)``, −1 … 1.
        tones: ``(B, T, 2 · n_tones)``: prominence of each band's peak, 0 … 1, and its place in the band, −1 … 1, times it.
    """

    mel: Tensor
    correlogram: Tensor
    tones: Tensor


class EnvelopeMel(nn.Module):
    """log10 mel magnitudes, a full-scale sine near 0; the window is as long as those of the head that draws it.

    Args:
        sample_rate: in Hz.
        n_fft: window length in samples.
        hop_length: in samples.
        n_mels: bands.
    """

    window: Tensor
    bank: Tensor

    def __init__(self, sample_rate: int = 16_000, n_fft: int = 640, hop_length: int = 160, n_mels: int = 80) -> None:
        super().__init__()
        self.n_fft, self.hop_length, self.edge = n_fft, hop_length, (n_fft - hop_length) // 2
        window = torch.hann_window(n_fft)
        bank = torchaudio.functional.melscale_fbanks(n_fft // 2 + 1, 0.0, sample_rate / 2, n_mels, sample_rate)
        self.register_buffer("window", window, persistent=False)
        self.register_buffer("bank", bank * (2 / window.sum()), persistent=False)

    def forward(self, wave: Tensor) -> Tensor:
        """``(B, T · hop_length + 2 · edge)`` samples → ``(B, T, n_mels)``."""
        magnitude = torch.fft.rfft(wave.unfold(-1, self.n_fft, self.hop_length) * self.window).abs()
        return (magnitude @ self.bank).clamp_min(MAGNITUDE_FLOOR).log10()


class AcousticFrontEnd(nn.Module):
    """Wave → `AcousticFeatures`.

    Args:
        sample_rate: in Hz.
        n_fft: window length of correlogram and tones, in samples.
        hop_length: in samples.
        envelope_n_fft: window length of the envelope, in samples, not longer.
        n_mels: bands of the envelope.
        n_lags: of the correlogram.
        n_tones: bands that are looked through for tones.

    Attributes:
        edge: samples of context on either side.

    Example:
        >>> features = AcousticFrontEnd()(torch.randn(1, 1600))
        >>> features.mel.shape, features.correlogram.shape, features.tones.shape
        (torch.Size([1, 10, 80]), torch.Size([1, 10, 64]), torch.Size([1, 10, 160]))
    """

    window: Tensor
    cosines: Tensor

    def __init__(
        self,
        sample_rate: int = 16_000,
        n_fft: int = 1024,
        hop_length: int = 160,
        envelope_n_fft: int = 640,
        n_mels: int = 80,
        n_lags: int = 64,
        n_tones: int = 80,
    ) -> None:
        super().__init__()
        self.sample_rate, self.n_fft, self.hop_length, self.edge = sample_rate, n_fft, hop_length, (n_fft - hop_length) // 2
        self.envelope = EnvelopeMel(sample_rate, envelope_n_fft, hop_length, n_mels)
        self.peaks = PeakFinder(ToneBank(n_tones, envelope_n_fft, hop_length, sample_rate), n_fft)
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)
        lags = sample_rate / torch.logspace(math.log2(HIGHEST_PITCH), math.log2(LOWEST_PITCH), n_lags, base=2)
        bins = torch.arange(1, round(CORRELOGRAM_TOP_HZ * n_fft / sample_rate))
        self.register_buffer("cosines", torch.cos(2 * math.pi * bins[:, None] * lags / n_fft), persistent=False)

    def forward(self, wave: Tensor, padded: bool = False) -> AcousticFeatures:
        """``(B, samples)``, a whole number of hops → features, in single precision.

        Args:
            wave: the samples.
            padded: the wave already carries ``edge`` samples of real context on either side.
        """
        wave = wave.float()
        if not padded:
            wave = F.pad(wave, (self.edge, self.edge))
        spare = self.edge - self.envelope.edge
        magnitude = torch.fft.rfft(wave.unfold(-1, self.n_fft, self.hop_length) * self.window).abs()
        mel = self.envelope(wave[:, spare : wave.shape[1] - spare])
        found = self.peaks(magnitude)
        return AcousticFeatures(
            mel, self._correlogram(magnitude), torch.cat([found.prominence, found.prominence * found.offset], -1)
        )

    def _correlogram(self, magnitude: Tensor) -> Tensor:
        """Autocorrelation of the compressed spectrum, at lags of which each is a twentieth of an octave longer."""
        compressed = (magnitude[..., 1 : 1 + len(self.cosines)] + 1e-7).pow(COMPRESSION)
        return (compressed @ self.cosines) / compressed.sum(-1, keepdim=True).clamp_min(1e-9)


class Peaks(NamedTuple):
    """The highest peak of every band.

    Attributes:
        offset: ``(B, T, n_tones)`` place in the band, −1 … 1.
        frequency: ``(B, T, n_tones)`` in Hz.
        prominence: ``(B, T, n_tones)``, 0 … 1: how far it stands out.
        tonal: ``(B, T, n_tones)`` bool: it is narrow, and stands far out.
    """

    offset: Tensor
    frequency: Tensor
    prominence: Tensor
    tonal: Tensor


class PeakFinder(nn.Module):
    """Looks through bands for lines of the spectrum.

    Args:
        bank: whose bands are looked through.
        n_fft: of the spectra, under a Hann window.
    """

    candidates: Tensor
    outside: Tensor

    def __init__(self, bank: ToneBank, n_fft: int) -> None:
        super().__init__()
        self.bank, self.n_fft = bank, n_fft
        self.bin_hz = bank.sample_rate / n_fft
        low = ((bank.centre - bank.half_width) / self.bin_hz).floor().long().clamp(min=1)
        high = ((bank.centre + bank.half_width) / self.bin_hz).ceil().long().clamp(max=n_fft // 2 - 1)
        wide = low[:, None] + torch.arange(int((high - low).max()) + 1)
        self.register_buffer("candidates", wide.clamp(max=n_fft // 2 - 1), persistent=False)
        self.register_buffer("outside", wide > high[:, None], persistent=False)

    def forward(self, magnitude: Tensor) -> Peaks:
        """``(B, T, n_fft // 2 + 1)`` magnitudes → peaks."""
        level = 20 * torch.log10(magnitude * (4 / self.n_fft) + 1e-6)
        best = level[..., self.candidates].masked_fill(self.outside, -200.0).argmax(-1)
        peak = torch.gather(self.candidates.expand(*best.shape, -1), -1, best[..., None])[..., 0]

        def at(shift: int) -> Tensor:
            return torch.gather(level, 2, (peak + shift).clamp(0, self.n_fft // 2))

        left, here, right = at(-1), at(0), at(1)
        # The top of a parabola through three bins in dB.
        shift = (0.5 * (left - right) / (left - 2 * here + right).clamp(max=-1e-3)).clamp(-0.5, 0.5)
        frequency = (peak + shift) * self.bin_hz
        above = here - (at(-5) + at(5) + at(-7) + at(7)) / 4
        nearest = torch.stack([at(shift) for shift in (-5, -4, 4, 5)]).amax(0)
        tonal = (above > 14) & (here - nearest > 8) & (here >= left) & (here >= right) & (here > -45)
        return Peaks(self.bank.offset(frequency), frequency, (above / PROMINENCE_RANGE_DB).clamp(0, 1), tonal)
