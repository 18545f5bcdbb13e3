"""Filter-bank segments → pairs of tokens."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from codec.semanticodec.acoustic import AcousticEncoder
from codec.semanticodec.audiomae import AudioMAE, stack_patches
from codec.semanticodec.config import PublishedConfig
from codec.semanticodec.frontend import real_positions
from quantizers.nearest import nearest


class Encoder(nn.Module):
    """AudioMAE, the semantic quantiser and the acoustic encoder; the centroids come with each call.

    Args:
        config: sizes.
    """

    def __init__(self, config: PublishedConfig) -> None:
        super().__init__()
        self.stack = config.stack
        self.audiomae = AudioMAE(config.dim, config.depth, config.heads)
        self.acoustic = AcousticEncoder(config)

    def forward(self, segments: Tensor, centroids: Tensor) -> Tensor:
        """Encodes segments, each on its own.

        Args:
            segments: ``(B, frames, 128)`` normalised filter-bank.
            centroids: ``(vocab, F)``.

        Returns:
            ``(B, 2, N)`` int64: semantic, acoustic.
        """
        features = self.features(segments)
        semantic = nearest(features.flatten(0, 1), centroids)[0].view(features.shape[:2])
        real = [real_positions(segment, features.shape[1]) for segment in segments]
        latents = self.acoustic(features, centroids[semantic], real)
        return torch.stack([semantic, self.acoustic.quantise(latents)], dim=1)

    def features(self, segments: Tensor) -> Tensor:
        """``(B, frames, 128)`` → ``(B, N, F)``, one segment at a time: their attention is the widest tensor here."""
        return torch.cat([stack_patches(self.audiomae(segment.unsqueeze(0)), self.stack) for segment in segments])
