"""Masked distillation: from a partly hidden log-mel, predict a teacher's features and the clean spectrum.

The targets are two groups of principal components: of the teacher (what is said, what it is) and of the
level-free log-mel frame (what it sounds like). Their scales set how the later k-means divides its bits.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from codec.errors import CodecError
from codec.features import LogMel
from codec.semantic import SemanticEncoder
from train.config import TrainConfig
from train.crops import Batch, Crops

PCA_BATCHES = 20


def spectrum(mel: Tensor) -> Tensor:
    """``(B, 2·T, M)`` log-mel → ``(B, T, 2·M)``, each frame's mean removed: shape without level."""
    frames = rearrange(mel, "b (t two) m -> b t (two m)", two=2)
    return frames - frames.mean(-1, keepdim=True)


class Distillation:
    """Features are themselves the predictions; nothing is trained beside the encoder.

    Args:
        config: of the whole training.
        mel: front end.
        crops: training data, for the spectrum's principal components.

    Raises:
        CodecError: the encoder's width is not that of the targets.
    """

    def __init__(self, config: TrainConfig, mel: LogMel, crops: Crops) -> None:
        stage = config.ssl
        self.module = nn.Module()
        self.n_teacher, n_spectrum = stage.teacher_components, stage.spectrum_components
        if self.n_teacher + n_spectrum != config.model.semantic.n_features:
            wanted = self.n_teacher + n_spectrum
            raise CodecError(f"model.semantic.n_features must be ssl.teacher_components + ssl.spectrum_components = {wanted}")
        values = np.load(config.folder("teacher") / "pca.npz")["values"][: self.n_teacher]
        self.teacher_scale = float(1 / np.sqrt(values.sum()))
        device = mel.mel.mel_scale.fb.device
        with torch.no_grad():
            batches = [crops.batch(1_000_000_000 + i).to(device) for i in range(PCA_BATCHES)]
            frames = torch.cat([spectrum(mel(batch.wave)).flatten(0, 1) for batch in batches])
        self.mean = frames.mean(0)
        eigenvalues, vectors = torch.linalg.eigh(torch.cov((frames - self.mean).T))
        self.basis = vectors.flip(1)[:, :n_spectrum]
        self.basis = self.basis * (stage.spectrum_weight / eigenvalues.flip(0)[:n_spectrum].sum()).sqrt()

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
            f"valid_{name}": ((output - target)[..., part].pow(2).mean() / target[..., part].var((0, 1)).mean()).item()
            for name, part in groups.items()
        }

    def _targets(self, mel: Tensor, batch: Batch) -> Tensor:
        assert batch.features is not None
        teacher = batch.features[..., : self.n_teacher] * self.teacher_scale
        return torch.cat([teacher, (spectrum(mel) - self.mean) @ self.basis], -1)
