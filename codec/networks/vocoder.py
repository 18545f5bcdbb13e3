"""The decoder's second half: an envelope and a pitch → sound. It can be trained alone, from any recording."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from codec.config import VocoderConfig
from codec.networks.convnext import ConvNeXt
from codec.networks.frontend import MEL_CENTRE
from codec.networks.pitch import MIDDLE_OCTAVE, Pitch, octaves
from codec.networks.source_filter import SourceFilterHead


class Vocoder(nn.Module):
    """Frames at 100 Hz → what `SourceFilterHead` draws from, and the head.

    Args:
        config: sizes.
        n_mels: bands of the envelope.
        hidden_dim: width of what else a decoder tells.
        n_fft: window length of the head in samples.
        hop_length: in samples.
        sample_rate: in Hz.
    """

    def __init__(
        self, config: VocoderConfig, n_mels: int, hidden_dim: int, n_fft: int, hop_length: int, sample_rate: int
    ) -> None:
        super().__init__()
        self.stem = nn.Linear(n_mels + 2, config.dim)
        self.hidden = nn.Linear(hidden_dim, config.dim)
        nn.init.zeros_(self.hidden.weight)  # what was trained alone knows nothing of it
        nn.init.zeros_(self.hidden.bias)
        self.backbone = ConvNeXt(config.dim, config.hidden_dim, config.dilations)
        self.head = SourceFilterHead(config.dim, n_fft, hop_length, sample_rate)

    @property
    def receptive_field(self) -> int:
        """Frames at 100 Hz to either side."""
        return self.backbone.receptive_field + self.head.receptive_field

    def forward(self, mel: Tensor, pitch: Pitch, hidden: Tensor | None = None) -> Tensor:
        """What the head draws from.

        Args:
            mel: ``(B, T, n_mels)`` log10 magnitudes.
            pitch: of the frames.
            hidden: ``(B, T, D)`` what else a decoder tells, or None.

        Returns:
            ``(B, T, dim)``.
        """
        height = (octaves(pitch.f0) - MIDDLE_OCTAVE)[..., None]
        x = self.stem(torch.cat([mel + MEL_CENTRE, height, pitch.voiced[..., None]], -1))
        if hidden is not None:
            x = x + self.hidden(hidden)
        shaped: Tensor = self.backbone(x)
        return shaped
