"""The log-mel spectrogram of this codec, on torchaudio."""

from __future__ import annotations

import torch
import torch.nn.functional as F
import torchaudio
from torch import Tensor, nn

from quantizers.precision import full_precision

LOG_FLOOR = 1e-5


class LogMel(nn.Module):
    """log10 mel magnitudes, each frame centred on the middle of its hop, zeros beyond the edges.

    A wave of ``n`` hops gives exactly ``n`` frames, so frames and tokens line up without offsets.

    Args:
        sample_rate: in Hz.
        n_fft: window length in samples.
        hop_length: in samples.
        n_mels: number of bands.

    Example:
        >>> LogMel()(torch.zeros(1, 3200)).shape
        torch.Size([1, 20, 80])
    """

    def __init__(self, sample_rate: int = 16_000, n_fft: int = 1024, hop_length: int = 160, n_mels: int = 80) -> None:
        super().__init__()
        self.hop_length = hop_length
        self.edge = (n_fft - hop_length) // 2
        self.mel = torchaudio.transforms.MelSpectrogram(
            sample_rate, n_fft, hop_length=hop_length, n_mels=n_mels, power=1.0, center=False, norm="slaney", mel_scale="slaney"
        )

    def forward(self, wave: Tensor, padded: bool = False) -> Tensor:
        """``(B, samples)``, a whole number of hops → ``(B, frames, n_mels)``, in single precision also under autocast.

        Args:
            wave: the samples.
            padded: the wave already carries ``edge`` samples of real context on either side.
        """
        if not padded:
            wave = F.pad(wave, (self.edge, self.edge))
        with full_precision(wave.device):
            mel: Tensor = self.mel(wave.to(torch.promote_types(wave.dtype, torch.float32)))
            return mel.clamp_min(LOG_FLOOR).log10().transpose(1, 2)
