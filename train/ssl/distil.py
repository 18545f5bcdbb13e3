"""Masked distillation: from a partly hidden log-mel, predict a teacher's features and the clean spectrum.

The targets are two groups of principal components: of the teacher (what is said, what it is) and of the
level-free log-mel frame (what it sounds like). Their scales set how the later k-means divides its bits. An encoder
that already has a space of features can keep it: then the targets are turned to where these lie.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from codec.features import LogMel
from codec.networks.semantic import SemanticEncoder
from train.config import TrainConfig
from train.crops import Batch, Crops
from train.draws import UNUSED_BATCHES

PCA_BATCHES = 20
LEVEL = 0.3
"""Of a frame's level above its crop's, beside the spectrum's shape, where the teacher's part has been freed of levels."""


def spectrum(mel: Tensor, level: float = 0.0) -> Tensor:
    """``(B, 2·T, M)`` log-mel → ``(B, T, 2·M)``: shape, and so much of each frame's level above the mean of all."""
    frames = rearrange(mel, "b (t two) m -> b t (two m)", two=2)
    mean = frames.mean(-1, keepdim=True)
    return frames - mean + level * (mean - mean.mean(1, keepdim=True))


class Distillation:
    """Features are themselves the predictions; nothing is trained beside the encoder. What turns teacher and spectrum into
    targets is kept with a run's checkpoint, so that they stay what they are whatever ``init`` names when it is resumed.

    Args:
        config: of the whole training.
        encoder: with ``ssl.refit``, the one whose features the targets are turned to, unless phonemes choose them.
        mel: front end.
        crops: training data, for the principal components.
    """

    def __init__(self, config: TrainConfig, encoder: SemanticEncoder, mel: LogMel, crops: Crops) -> None:
        stage = config.ssl
        self.module = nn.Module()
        self.n_teacher, n_spectrum = stage.teacher_components, stage.spectrum_components
        self.level = LEVEL if stage.components == "phonemes" else 0.0
        device = mel.mel.mel_scale.fb.device
        with torch.no_grad():
            batches = [crops.whole_batch(UNUSED_BATCHES + i).to(device) for i in range(PCA_BATCHES)]
            mels = [mel(batch.wave) for batch in batches]
            frames = torch.cat([spectrum(each, self.level).flatten(0, 1) for each in mels])
            features = torch.cat([encoder(each).flatten(0, 1) for each in mels]) if stage.keeps_space else None
        teacher = torch.cat([_features(batch).flatten(0, 1) for batch in batches])
        mean = frames.mean(0)
        vectors = torch.linalg.eigh(torch.cov((frames - mean).T))[1].flip(1)
        wanted = (None, None) if features is None else (features[:, : self.n_teacher], features[:, self.n_teacher :])
        of_teacher = turned_basis(teacher, torch.eye(teacher.shape[1], device=device), self.n_teacher, 1.0, wanted[0])
        of_spectrum = turned_basis(frames - mean, vectors, n_spectrum, stage.spectrum_weight, wanted[1])
        for name, value in (("mean", mean), ("teacher", of_teacher), ("spectrum", of_spectrum)):
            self.module.register_buffer(name, value)

    def loss(self, encoder: SemanticEncoder, mel: Tensor, batch: Batch, hidden: Tensor) -> Tensor:
        """Squared distance summed over components, hidden and visible frames alike."""
        target = self._targets(mel, batch)
        return F.mse_loss(encoder(mel, hidden=hidden).float(), target) * target.shape[-1]

    def after_step(self, encoder: SemanticEncoder, step: int) -> None:
        """Nothing moves but by gradients."""

    def validate(self, encoder: SemanticEncoder, mel: Tensor, batch: Batch) -> dict[str, float]:
        """Share of unexplained variance of each target group, nothing hidden."""
        target, output = self._targets(mel, batch), encoder(mel).float()
        groups = {"teacher": slice(0, self.n_teacher), "spectrum": slice(self.n_teacher, None)}
        return {
            f"unexplained/{name}": ((output - target)[..., part].pow(2).mean() / target[..., part].var((0, 1)).mean()).item()
            for name, part in groups.items()
        }

    def _targets(self, mel: Tensor, batch: Batch) -> Tensor:
        mean, of_teacher, of_spectrum = (self.module.get_buffer(name) for name in ("mean", "teacher", "spectrum"))
        return torch.cat([_features(batch) @ of_teacher, (spectrum(mel, self.level) - mean) @ of_spectrum], -1)


def _features(batch: Batch) -> Tensor:
    assert batch.features is not None
    return batch.features


def turned_basis(data: Tensor, components: Tensor, count: int, variance: float, wanted: Tensor | None) -> Tensor:
    """``(D, count)``: orthogonal columns, together of the given variance: leading principal components, or those nearest
    to ``wanted`` features of the same frames (orthogonal Procrustes).
    """
    if wanted is None:
        basis = components[:, :count]
    else:
        left, _, right = torch.linalg.svd(data.T @ (wanted - wanted.mean(0)), full_matrices=False)
        basis = left @ right
    return basis * (variance / (data @ basis).var(0).sum()).sqrt()
