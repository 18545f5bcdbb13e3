"""The frozen, self-supervised encoder whose features become semantic tokens."""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn

from codec.config import SemanticConfig
from codec.networks.convnext import ConvNeXt


class SemanticEncoder(nn.Module):
    """log-mel at 100 Hz → features at 50 Hz; only nearby frames matter, so cost is linear in length.

    Args:
        config: sizes.
        n_mels: bands of the input.
    """

    def __init__(self, config: SemanticConfig, n_mels: int) -> None:
        super().__init__()
        self.stem = nn.Linear(2 * n_mels, config.dim)
        self.mask_token = nn.Parameter(torch.zeros(config.dim))
        self.backbone = ConvNeXt(config.dim, config.hidden_dim, config.dilations)
        self.head = nn.Linear(config.dim, config.n_features)

    @property
    def receptive_field(self) -> int:
        """Frames of context on either side, at 50 Hz."""
        return self.backbone.receptive_field

    def forward(self, mel: Tensor, hidden: Tensor | None = None) -> Tensor:
        """Encodes.

        Args:
            mel: ``(B, 2·T, n_mels)`` log-mel.
            hidden: ``(B, T)`` bool, frames to hide behind the mask token (masked prediction in training).

        Returns:
            ``(B, T, n_features)``.
        """
        x = self.stem(rearrange(mel, "b (t two) m -> b t (two m)", two=2) + 2.0)  # log10 magnitudes centre near −2
        if hidden is not None:
            x = torch.where(hidden.unsqueeze(-1), self.mask_token.to(x.dtype), x)
        return self.head(self.backbone(x))
