"""Loss between what a recogniser of speech hears in the output and in the original: words cost more than their energy.

A recogniser's hidden layers tell apart what changes a word, and little else (Parker et al. 2024, arXiv 2411.19842, use WavLM's
for the same end). Word errors that the same recogniser counts afterwards are no evidence any more.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from train.whisper import WhisperEncoder


class AsrFeatureLoss(nn.Module):
    """Mean absolute distance in all layers of Whisper's encoder, in standard deviations of each layer.

    Args:
        encoder: of any size; its weights get no gradient.
    """

    def __init__(self, encoder: WhisperEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, output: Tensor, wanted: Tensor) -> Tensor:
        """``(B, samples)`` and the original's → scalar."""
        with torch.no_grad():
            mel = self.encoder.mel(wanted)
            meant = self.encoder.layers(mel)
        said = self.encoder.layers(self.encoder.mel(output, self.encoder.loudest(mel)))
        distances = [
            (ours - theirs).float().abs().mean() / theirs.float().std() for ours, theirs in zip(said, meant, strict=True)
        ]
        return torch.stack(distances).mean()
