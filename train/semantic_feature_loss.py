"""Loss between what the semantic encoder hears in the output and in the original: words cost more than their energy."""

from __future__ import annotations

from torch import Tensor, nn

from codec.networks.interface import CodecNetworks
from train.progress import autocast


class SemanticFeatureLoss(nn.Module):
    """Mean Euclidean distance between the frozen encoder's features of a wave and those of its original, over frames.

    Args:
        networks: front end and semantic encoder are used; the encoder's weights get no gradient.
        precision: of the encoder.
    """

    def __init__(self, networks: CodecNetworks, precision: str) -> None:
        super().__init__()
        self.mel, self.encoder, self.precision = networks.mel, networks.semantic.requires_grad_(False), precision

    def forward(self, output: Tensor, wanted: Tensor) -> Tensor:
        """``(B, samples)`` and the original's features ``(B, T, D)`` → scalar."""
        return (self.features(output) - wanted).square().sum(-1).add(1e-6).sqrt().mean()

    def features(self, wave: Tensor) -> Tensor:
        """``(B, samples)`` → ``(B, T, D)`` of the frozen encoder."""
        mel = self.mel(wave)
        with autocast(wave.device, self.precision):
            found: Tensor = self.encoder(mel)
        return found.float()
