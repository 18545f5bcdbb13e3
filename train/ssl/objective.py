"""What a pretraining objective is: a loss on the encoder's features, with whatever it trains beside the encoder."""

from __future__ import annotations

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from codec.networks.semantic import SemanticEncoder
from train.config import SemanticStage
from train.crops import Batch
from train.draws import step_generator


class Objective(Protocol):
    """One way to pretrain the semantic encoder.

    Attributes:
        module: trained beside the encoder, and saved with it; may be empty.
    """

    @property
    def module(self) -> nn.Module: ...

    def loss(self, encoder: SemanticEncoder, mel: Tensor, batch: Batch, hidden: Tensor) -> Tensor:
        """Scalar loss of a batch.

        Args:
            encoder: in training.
            mel: ``(B, 2·T, M)`` clean log-mel.
            batch: with teacher features, if the objective asked for them.
            hidden: ``(B, T)`` bool, frames to hide.
        """
        ...

    def after_step(self, encoder: SemanticEncoder, step: int) -> None:
        """Called after every optimiser step."""
        ...

    def validate(self, encoder: SemanticEncoder, mel: Tensor, batch: Batch) -> dict[str, float]:
        """Figures on fixed validation crops."""
        ...


def hide_spans(stage: SemanticStage, seed: int, step: int, batch: int, frames: int) -> Tensor:
    """``(B, T)`` bool: spans of hidden frames, about ``mask_share`` of all and one at least; depends on seed and step alone."""
    generator = step_generator(seed, step)
    starts = torch.rand((batch, frames), generator=generator) < stage.mask_share / stage.mask_span
    anywhere = torch.randint(frames, (batch, 1), generator=generator)
    starts.scatter_(1, anywhere, starts.gather(1, anywhere) | ~starts.any(1, keepdim=True))  # a loss over no frames is none
    spread = F.max_pool1d(starts.float().unsqueeze(1), stage.mask_span, 1, stage.mask_span // 2)
    return spread.squeeze(1)[:, :frames] > 0
