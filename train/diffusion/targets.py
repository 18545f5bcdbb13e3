"""Wave → what the frozen networks want of it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
import torchaudio
from torch import Tensor

from codec.semanticodec.config import HOP_LENGTH, SAMPLE_RATE, VOCODER_MELS

N_FFT = 1024
PEAK = 0.5


def normalise(wave: Tensor) -> Tensor:
    """``(B, samples)`` without its mean, peak at one half, as the autoencoder was trained."""
    wave = wave - wave.mean(dim=-1, keepdim=True)
    return wave / (wave.abs().amax(dim=-1, keepdim=True) + 1e-8) * PEAK


def vocoder_mel(wave: Tensor) -> Tensor:
    """``(B, samples)`` → ``(B, samples / 160, 64)``: natural logarithm of magnitudes in Slaney's mel bands, HiFi-GAN's way."""
    edge = (N_FFT - HOP_LENGTH) // 2
    padded = F.pad(wave.unsqueeze(1), (edge, edge), mode="reflect").squeeze(1)
    window = torch.hann_window(N_FFT, device=wave.device)
    spectrum = torch.stft(padded, N_FFT, HOP_LENGTH, window=window, center=False, return_complex=True).abs()
    bands = torchaudio.functional.melscale_fbanks(
        N_FFT // 2 + 1, 0.0, SAMPLE_RATE / 2, VOCODER_MELS, SAMPLE_RATE, norm="slaney", mel_scale="slaney"
    )
    return (spectrum.transpose(1, 2) @ bands.to(spectrum)).clamp_min(1e-5).log()
