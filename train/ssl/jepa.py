"""Joint-embedding prediction: predict a slowly moving copy's features of hidden frames (I-JEPA, Audio-JEPA, data2vec)."""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from codec.networks.convnext import ConvNeXt
from codec.networks.semantic import SemanticEncoder
from train.config import TrainConfig
from train.crops import Batch
from train.parallel import part_of_mean

PREDICTOR_DIM = 96
DECAY_START, DECAY_END, DECAY_STEPS = 0.99, 0.9995, 3000


class JointEmbedding:
    """Context features of the visible frames → light predictor → the target encoder's features of the hidden ones.

    The target encoder is a moving average of the encoder and sees everything. Targets are normalised per frame, and the
    loss is their squared distance in latent space.

    Args:
        config: of the whole training.
        encoder: that is trained; the target starts as its copy.
    """

    def __init__(self, config: TrainConfig, encoder: SemanticEncoder) -> None:
        width = config.model.semantic.n_features
        predictor = nn.Sequential(
            nn.Linear(width, PREDICTOR_DIM),
            ConvNeXt(PREDICTOR_DIM, 2 * PREDICTOR_DIM, dilations=(1, 2, 4)),
            nn.Linear(PREDICTOR_DIM, width),
        )
        target = copy.deepcopy(encoder).requires_grad_(False).eval()
        self.module = nn.ModuleDict({"predictor": predictor, "target": target})

    def loss(self, encoder: SemanticEncoder, mel: Tensor, batch: Batch, hidden: Tensor) -> Tensor:
        """Latent L2 at hidden frames."""
        predicted = self.module["predictor"](encoder(mel, hidden=hidden)).float()
        return F.mse_loss(predicted[hidden], self._targets(mel)[hidden]) * part_of_mean(hidden.sum())

    @torch.no_grad()
    def after_step(self, encoder: SemanticEncoder, step: int) -> None:
        """Moves the target towards the encoder."""
        decay = min(DECAY_END, DECAY_START + (DECAY_END - DECAY_START) * step / DECAY_STEPS)
        torch._foreach_lerp_(list(self.module["target"].parameters()), list(encoder.parameters()), 1 - decay)

    def validate(self, encoder: SemanticEncoder, mel: Tensor, batch: Batch) -> dict[str, float]:
        """Latent error, and the spread of features over time: 0 would mean that they have collapsed."""
        features = encoder(mel).float()
        error = F.mse_loss(self.module["predictor"](features).float(), self._targets(mel))
        return {"error/latent": error.item(), "spread": features.std((0, 1)).mean().item()}

    @torch.no_grad()
    def _targets(self, mel: Tensor) -> Tensor:
        features: Tensor = self.module["target"](mel).float()
        return F.layer_norm(features, features.shape[-1:])
