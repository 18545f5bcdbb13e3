"""Masked autoencoding: fill in hidden stretches of the log-mel (AudioMAE, arXiv 2207.06405; Dasheng, arXiv 2406.06992)."""

from __future__ import annotations

import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from codec.networks.convnext import ConvNeXt
from codec.networks.semantic import SemanticEncoder
from train.config import TrainConfig
from train.crops import Batch
from train.parallel import part_of_mean

DECODER_DIM = 128


class MaskedAutoencoding:
    """Features → light decoder → log-mel of the hidden frames, each frame normalised.

    Args:
        config: of the whole training.
    """

    def __init__(self, config: TrainConfig) -> None:
        self.module = nn.Sequential(
            nn.Linear(config.model.semantic.n_features, DECODER_DIM),
            ConvNeXt(DECODER_DIM, 2 * DECODER_DIM, dilations=(1, 2)),
            nn.Linear(DECODER_DIM, 2 * config.model.mel.n_mels),
        )

    def loss(self, encoder: SemanticEncoder, mel: Tensor, batch: Batch, hidden: Tensor) -> Tensor:
        """Mean squared error of hidden frames, in units of each frame's variance."""
        wanted = self._targets(mel)
        output = self.module(encoder(mel, hidden=hidden)).float()
        return F.mse_loss(output[hidden], wanted[hidden]) * part_of_mean(hidden.sum())

    def after_step(self, encoder: SemanticEncoder, step: int) -> None:
        """Nothing moves but by gradients."""

    def validate(self, encoder: SemanticEncoder, mel: Tensor, batch: Batch) -> dict[str, float]:
        """Unexplained share of the spectrum with nothing hidden."""
        wanted = self._targets(mel)
        return {"unexplained/spectrum": F.mse_loss(self.module(encoder(mel)).float(), wanted).item()}

    def _targets(self, mel: Tensor) -> Tensor:
        frames = rearrange(mel, "b (t two) m -> b t (two m)", two=2)
        return (frames - frames.mean(-1, keepdim=True)) / (frames.std(-1, keepdim=True) + 0.05)
