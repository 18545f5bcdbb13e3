"""What acoustic tokens are made from: an envelope, a correlogram for the pitch, and where tones are.

All are made from windows around the middle of every hop of 10 ms, so that features of a window are those of the whole.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
import torchaudio
from torch import Tensor, nn

from codec.networks.tones import Lines, find_lines

MAGNITUDE_FLOOR = 10**-4.5
"""−90 dB below a full-scale sine: what lies under it cannot be heard and is not worth bits."""
MEL_CENTRE = 2.0
"""log10 magnitudes centre near −2."""
LOWEST_PITCH, HIGHEST_PITCH = 60.0, 500.0
"""Range of the correlogram, in Hz."""
CORRELOGRAM_TOP_HZ = 4_000.0
"""What lies above is hardly periodic in speech."""
AUDIBLE_DEPTH = 2.75
"""log10 magnitudes below the loudest band nearby where a soft floor begins: 55 dB."""
MASKED_FRAMES = 40
"""Frames of 10 ms to either side that count as near."""
LEAST_OFFSET, OFFSET_SHARE, OFFSET_SAMPLES = 5e-4, 0.03, 4000
"""Below so much, or such a share of the root mean square, a mean is left alone; and a click has one, too, of few samples."""
GAP_SAMPLES = 160
"""Half the longest run of zeros, 20 ms, that is not silence but a part of what sounds around it."""
COMPRESSION = 0.67
"""Exponent of magnitudes whose transform is the correlogram (0.6 … 0.7 in Tolonen and Karjalainen 2000)."""


class AcousticFeatures(NamedTuple):
    """Features at 100 Hz.

    Attributes:
        mel: ``(B, T, n_mels)`` log10 magnitudes of windows of 40 ms.
        correlogram: ``(B, T, n_lags)``, −1 … 1.
        lines: the strongest ones of each frame.
    """

    mel: Tensor
    correlogram: Tensor
    lines: Lines


def audible(mel: Tensor) -> Tensor:
    """Lifts what nobody hears beside louder sound onto a soft floor: no bits are to be spent on it.

    Args:
        mel: ``(B, T, n_mels)`` log10 magnitudes.

    Example:
        >>> audible(torch.tensor([[[0.0, -4.0]]])).round(decimals=2)
        tensor([[[ 0.0000, -2.7300]]])
    """
    loudest = F.max_pool1d(mel.amax(2)[:, None], 2 * MASKED_FRAMES + 1, 1, MASKED_FRAMES)[:, 0, :, None]
    return torch.log10(10**mel + 10 ** (loudest - AUDIBLE_DEPTH))


def without_offset(wave: Tensor) -> Tensor:
    """Takes the mean out of a wave that has one, as cheap sound cards add it: it is no sound, but would be heard as a rumble.

    Digital silence around the sound stays what it is, and waves without an offset do to the last bit.

    Args:
        wave: ``(B, samples)``.

    Example:
        >>> without_offset(torch.full((1, 8000), 0.3)).abs().max() < 1e-5
        tensor(True)
    """
    sound = _without_gaps(wave != 0)
    count = sound.sum(-1, keepdim=True)
    mean, power = (part.sum(-1, keepdim=True) / count.clamp_min(1) for part in (wave, wave.square()))
    is_offset = (count >= OFFSET_SAMPLES) & (mean.abs() > LEAST_OFFSET) & (mean.square() > OFFSET_SHARE**2 * power)
    return wave - torch.where(is_offset, mean, 0.0) * sound


def _without_gaps(sound: Tensor) -> Tensor:
    """Closes gaps of up to two `GAP_SAMPLES`: a pulse of one sign has zeros between its periods that are part of its sound.

    Args:
        sound: ``(B, samples)`` bool.

    Example:
        >>> _without_gaps(torch.tensor([[True, False, False, True]])).all()
        tensor(True)
    """
    return ~_near(~_near(sound))


def _near(mask: Tensor) -> Tensor:
    """Where something of a mask ``(B, samples)`` lies within `GAP_SAMPLES`."""
    total = F.pad(mask.float().cumsum(-1), (GAP_SAMPLES + 1, 0))
    total = torch.cat([total, total[:, -1:].expand(-1, GAP_SAMPLES)], 1)
    return total[:, 2 * GAP_SAMPLES + 1 :] > total[:, : -2 * GAP_SAMPLES - 1]


def window_and_bank(n_fft: int, n_mels: int, sample_rate: int) -> tuple[Tensor, Tensor]:
    """``(n_fft,)`` window and ``(n_fft / 2 + 1, n_mels)`` mel bands of magnitudes behind it, a full-scale sine near 1."""
    window = torch.hann_window(n_fft)
    bank = torchaudio.functional.melscale_fbanks(n_fft // 2 + 1, 0.0, sample_rate / 2, n_mels, sample_rate)
    return window, bank * (2 / window.sum())


def correlogram_hertz(n_lags: int) -> Tensor:
    """``(n_lags,)`` pitches in Hz, of which the correlogram tells how strong they are."""
    return torch.logspace(math.log2(HIGHEST_PITCH), math.log2(LOWEST_PITCH), n_lags, base=2)


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
        window, bank = window_and_bank(n_fft, n_mels, sample_rate)
        self.register_buffer("window", window, persistent=False)
        self.register_buffer("bank", bank, persistent=False)

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

    Attributes:
        edge: samples of context on either side.

    Example:
        >>> features = AcousticFrontEnd()(torch.randn(1, 1600))
        >>> features.mel.shape, features.correlogram.shape, features.lines.frequency.shape
        (torch.Size([1, 10, 80]), torch.Size([1, 10, 64]), torch.Size([1, 10, 2]))
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
    ) -> None:
        super().__init__()
        self.sample_rate, self.n_fft, self.hop_length, self.edge = sample_rate, n_fft, hop_length, (n_fft - hop_length) // 2
        self.envelope = EnvelopeMel(sample_rate, envelope_n_fft, hop_length, n_mels)
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)
        lags = sample_rate / correlogram_hertz(n_lags)
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
        return AcousticFeatures(mel, self._correlogram(magnitude), find_lines(magnitude, self.sample_rate))

    def _correlogram(self, magnitude: Tensor) -> Tensor:
        """Autocorrelation of the compressed spectrum, at lags of which each is a twentieth of an octave longer."""
        compressed = (magnitude[..., 1 : 1 + len(self.cosines)] + 1e-7).pow(COMPRESSION)
        return (compressed @ self.cosines) / compressed.sum(-1, keepdim=True).clamp_min(1e-9)
