"""The acoustic token: a bidirectional LSTM over features and their centroids, and a nearest codeword."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from codec.semanticodec.config import PublishedConfig
from quantizers.nearest import nearest

PADDING = -1.0
"""Stands in every dimension of a vector that covers padding only."""


class AcousticEncoder(nn.Module):
    """What the semantic token left out of the feature, as one of 8192 codes.

    Args:
        config: sizes.
    """

    codebook: Tensor

    def __init__(self, config: PublishedConfig) -> None:
        super().__init__()
        width = config.feature_dim
        self.lstm = nn.LSTM(2 * width, 2 * width, config.lstm_layers, batch_first=True, bidirectional=True)
        self.output = nn.Linear(4 * width, width, bias=False)
        self.register_buffer("codebook", torch.zeros(config.codebook_size, width))

    def forward(self, features: Tensor, centroids: Tensor, real: list[int]) -> Tensor:
        """Latents before quantisation.

        Args:
            features: ``(B, N, F)`` of the encoder, stacked.
            centroids: ``(B, N, F)`` of their semantic tokens.
            real: positions of each item before its padding mark.

        Returns:
            ``(B, N, F)``.
        """
        joined = torch.cat([features, centroids], dim=-1)
        for item, count in zip(joined, real, strict=True):
            item[count:] = PADDING
        hidden, _ = self.lstm(joined)
        return self.output(hidden)

    def quantise(self, latents: Tensor) -> Tensor:
        """``(B, N, F)`` → ``(B, N)`` codes."""
        return nearest(latents.flatten(0, 1), self.codebook)[0].view(latents.shape[:2])
