"""The head of a decoder for voices: harmonics and noise through predicted spectra, and tones beside them.

Harmonics follow a pitch that is given, as in neural source-filter models (arXiv 1904.12088); their and the noise's envelopes
are free in every bin of every frame of 10 ms, as in harmonic-plus-noise models (DDSP, arXiv 2001.04643). Where a sound is tones
and nothing else, `codec.networks.tones` draws it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from codec.networks.excitation import at_samples, harmonics, noise, phases, turns
from codec.networks.overlap import overlap_add
from codec.networks.tones import N_TONES, Tones, tone_phases, tone_spectrum

MAX_LOG_GAIN = 4.0
HIGHEST_SHARE = 0.975
"""Of half the sample rate: the highest harmonic."""
QUIET = -3.0
"""Log gain of all envelopes before training."""
DISPERSION_MS, DISPERSION_HZ = 3.0, 500.0
"""By how much low frequencies of a pulse lead high ones, and at which frequency the lead has fallen to 1 / e of that."""
DEEPEST = math.log(10) * 1.5
"""How far below the harmonics noise counts as, at most, in natural logarithms of magnitudes: 30 dB."""


class Phases(NamedTuple):
    """Where oscillators are; all that one window must tell the next.

    Attributes:
        pitch: ``(B,)`` int64 of the fundamental, at the beginning of a frame.
        tones: ``(B, N_TONES)`` int64.
    """

    pitch: Tensor
    tones: Tensor


class Sound(NamedTuple):
    """What the head makes of a window.

    Attributes:
        wave: ``(B, T · hop_length)``.
        pitch: ``(B, T + 1)`` phases of the fundamental at the beginnings of frames.
        tones: ``(B, T + 1, N_TONES)`` phases of tones there.
    """

    wave: Tensor
    pitch: Tensor
    tones: Tensor

    def phases(self, frame: int) -> Phases:
        """Those at the beginning of a frame of the window."""
        return Phases(self.pitch[:, frame], self.tones[:, frame])


def dispersion(n_fft: int, sample_rate: int) -> Tensor:
    """An all-pass that lets low frequencies of a pulse lead: ``(n_fft // 2 + 1,)`` complex, of magnitude 1.

    Harmonics that all peak at once buzz, and reach twice as high as a voice of the same power. In a voice the glottis opens
    slowly before it closes at once, so that what is low comes first.

    Args:
        n_fft: of the spectra that it is multiplied with.
        sample_rate: in Hz.

    Example:
        >>> dispersion(640, 16_000).abs().round(decimals=3).unique()
        tensor([1.])
    """
    hertz = torch.arange(n_fft // 2 + 1) * (sample_rate / n_fft)
    lead = DISPERSION_MS / 1000 * DISPERSION_HZ * (1 - torch.exp(-hertz / DISPERSION_HZ))  # the integral of the group delay
    return torch.polar(torch.ones_like(hertz), 2 * math.pi * lead)


def behind_harmonics(breath: Tensor, harmonic: Tensor, voiced: Tensor) -> Tensor:
    """Noise that is weaker than a voice's harmonics is drawn twice as far below them.

    What a decoder learns of magnitudes fills the valleys between harmonics, where it is not sure of their pitch. An ear hears
    that as hoarse. Noise that is stronger than harmonics, as drums behind a tune are, stays as it is.

    Args:
        breath: ``(B, T, F)`` log gains of the noise.
        harmonic: ``(B, T, F)`` log gains of the harmonics.
        voiced: ``(B, T)`` strength of the harmonics, 0 … 1.

    Returns:
        ``(B, T, F)`` log gains of the noise.

    Example:
        >>> behind_harmonics(torch.tensor([[[-1.0, 1.0]]]), torch.zeros(1, 1, 2), torch.ones(1, 1))
        tensor([[[-2.,  1.]]])
    """
    return breath + voiced[..., None] * (breath - harmonic).clamp(-DEEPEST, 0)


def product(one: Tensor, other: Tensor) -> Tensor:
    """A product of complex numbers, part by part.

    That of torch is rounded otherwise at the end of a tensor, so that a clip would not sound alone as it does in a batch.

    Example:
        >>> product(torch.tensor([1 + 2j]), torch.tensor([3 - 1j]))
        tensor([5.+5.j])
    """
    real = one.real * other.real - one.imag * other.imag
    return torch.complex(real, one.real * other.imag + one.imag * other.real)


class SourceFilterHead(nn.Module):
    """Frames at 100 Hz, their pitch and their tones → wave.

    Args:
        dim: width of the frames.
        n_fft: window length in samples, a multiple of the hop.
        hop_length: in samples.
        sample_rate: in Hz.

    Attributes:
        receptive_field: frames to either side that a hop's samples depend on, but for the phases.
    """

    window: Tensor
    dispersion: Tensor

    def __init__(self, dim: int, n_fft: int = 640, hop_length: int = 160, sample_rate: int = 16_000) -> None:
        super().__init__()
        if n_fft % hop_length or (n_fft - hop_length) % 2:
            raise ValueError(f"n_fft {n_fft} must be a multiple of hop_length {hop_length}, and their difference even")
        self.n_fft, self.hop_length, self.sample_rate = n_fft, hop_length, sample_rate
        self.edge = (n_fft - hop_length) // 2
        self.envelopes = nn.Linear(dim, 2 * (n_fft // 2 + 1))
        nn.init.normal_(self.envelopes.weight, std=0.02)
        nn.init.constant_(self.envelopes.bias, QUIET)
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)
        self.register_buffer("dispersion", dispersion(n_fft, sample_rate), persistent=False)

    @property
    def receptive_field(self) -> int:
        """Frames: half a window of overlap, half a window of excitation, and the neighbour that pitch is drawn towards."""
        return 2 * (self.n_fft // self.hop_length // 2) + 1

    def start(self, batch: int) -> Phases:
        """Phases at the beginning of a stream."""
        device = self.window.device
        return Phases(
            torch.zeros(batch, dtype=torch.int64, device=device), torch.zeros(batch, N_TONES, dtype=torch.int64, device=device)
        )

    def forward(
        self,
        x: Tensor,
        f0: Tensor,
        voiced: Tensor,
        tones: Tones,
        state: Phases | None = None,
        anchor: int = 0,
        position: int = 0,
    ) -> Sound:
        """Synthesises a window.

        Args:
            x: ``(B, T, dim)``.
            f0: ``(B, T)`` in Hz, above 0 also where there is no voice.
            voiced: ``(B, T)`` strength of the harmonics, 0 … 1.
            tones: of the frames; the rest is quieter by their share.
            state: phases at the beginning of frame ``anchor``; None: of a stream's beginning.
            anchor: frame of the window whose phases are known.
            position: of the window's first frame in the stream; the noise depends on it.
        """
        x = x.float()  # spectra want single precision, whatever the networks run in
        state = state or self.start(len(x))
        harmonic, breath = self.envelopes(x).clamp(max=MAX_LOG_GAIN).chunk(2, -1)
        harmonic, breath = harmonic.exp(), behind_harmonics(breath, harmonic, voiced).exp()
        pitch = self._pitch(f0, anchor, state.pitch)
        pulses = harmonics(pitch[:, :-1], at_samples(f0, self.hop_length), HIGHEST_SHARE * self.sample_rate / 2)
        pulses = pulses * at_samples(voiced, self.hop_length)
        hiss = noise(position * self.hop_length, pulses.shape[1]).to(pulses).expand(len(x), -1)
        turned = tone_phases(tones.frequency, self.hop_length, self.sample_rate, anchor, state.tones)
        rest = harmonic * product(self._frames(pulses), self.dispersion) + breath * self._frames(hiss)
        drawn = tone_spectrum(tones, turned[:, :-1], self.n_fft, self.hop_length, self.sample_rate)
        spectrum = (1 - tones.share[..., None]) * rest + drawn
        wave = self._overlap(torch.fft.irfft(spectrum, self.n_fft))
        return Sound(wave, pitch[:, :: self.hop_length], turned)

    def _pitch(self, f0: Tensor, anchor: int, phase: Tensor) -> Tensor:
        """Phases of the fundamental at every sample, and at the one after the last."""
        return phases(turns(at_samples(f0, self.hop_length), self.sample_rate), anchor * self.hop_length, phase)

    def _frames(self, wave: Tensor) -> Tensor:
        """Spectra of windows around the middle of every hop."""
        return torch.fft.rfft(F.pad(wave, (self.edge, self.edge)).unfold(1, self.n_fft, self.hop_length) * self.window)

    def _overlap(self, frames: Tensor) -> Tensor:
        """Adds windowed frames up and divides by the windows' sum of squares."""
        weight = self.window.square().expand(1, frames.shape[1], -1)
        total, weights = overlap_add(frames * self.window, self.hop_length), overlap_add(weight, self.hop_length)
        return (total / weights.clamp_min(1e-3))[:, self.edge : -self.edge]
