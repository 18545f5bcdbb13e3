"""Masked distillation: from a partly hidden log-mel, predict a teacher's features and the clean spectrum.

The targets are two groups of principal components: of the teacher (what is said, what it is) and of the
level-free log-mel frame (what it sounds like). Their scales set how the later k-means divides its bits.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from codec.features import LogMel
from codec.semantic import SemanticEncoder
from train.config import SemanticStage, TrainConfig
from train.corpora.store import Corpus
from train.crops import Crops, open_features
from train.run import Average, Run, check_finite, cosine


def spectrum(mel: Tensor) -> Tensor:
    """``(B, 2·T, M)`` log-mel → ``(B, T, 2·M)``, each frame's mean removed: shape without level."""
    frames = rearrange(mel, "b (t two) m -> b t (two m)", two=2)
    return frames - frames.mean(-1, keepdim=True)


class Targets:
    """Scaled principal components of teacher and spectrum, as one vector a frame."""

    def __init__(self, stage: SemanticStage, teacher: Path, mel: LogMel, crops: Crops) -> None:
        self.n_teacher = stage.teacher_components
        values = np.load(teacher / "pca.npz")["values"][: self.n_teacher]
        self.teacher_scale = float(1 / np.sqrt(values.sum()))
        with torch.no_grad():
            frames = torch.cat([spectrum(mel(crops.batch(1_000_000_000 + i).wave)).flatten(0, 1) for i in range(20)])
        self.mean = frames.mean(0)
        eigenvalues, vectors = torch.linalg.eigh(torch.cov((frames - self.mean).T))
        self.basis = vectors.flip(1)[:, : stage.spectrum_components]
        self.basis = self.basis * (stage.spectrum_weight / eigenvalues.flip(0)[: stage.spectrum_components].sum()).sqrt()

    def __call__(self, features: Tensor, mel: Tensor) -> Tensor:
        teacher = features[..., : self.n_teacher] * self.teacher_scale
        return torch.cat([teacher, (spectrum(mel) - self.mean) @ self.basis], -1)


def train(config: TrainConfig) -> Path:
    """Trains to the end (or goes on from the last checkpoint); returns the run's folder."""
    torch.manual_seed(config.seed)
    stage, folder = config.ssl, config.folder("teacher")
    corpus = Corpus(config.folder("corpus"))
    features = open_features(folder)
    mel = LogMel(config.model.sample_rate, **config.model.mel.model_dump())

    def crops(split: str, seed: int) -> Crops:
        return Crops(corpus, split, stage.weights, stage.crop_frames, stage.batch_size, features, seed)

    data, valid = crops("train", config.seed), crops("valid", 1)
    targets = Targets(stage, folder, mel, data)
    model = SemanticEncoder(config.model.semantic, config.model.mel.n_mels)
    average = Average(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=stage.learning_rate, betas=(0.9, 0.98), weight_decay=0.05)
    run = Run(config.folder("ssl"), config, {"model": model, "average": average, "optimizer": optimizer})
    start = run.resume()
    for step, batch in data.stream(start):
        if step >= stage.steps:
            break
        for group in optimizer.param_groups:
            group["lr"] = cosine(step, stage.steps, stage.learning_rate)
        with torch.no_grad():
            clean = mel(batch.wave)
            target = targets(batch.features, clean)
        hidden = _spans(stage, config.seed, step, target.shape[:2])
        with torch.autocast("cpu", torch.bfloat16, enabled=config.precision == "bf16"):
            predicted = model(clean, hidden=hidden)
        loss = F.mse_loss(predicted.float(), target) * target.shape[-1]
        check_finite(loss, step, run)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        average.update(model, step)
        if step % 100 == 99:
            run.log(
                step + 1, {"loss": loss.item()} | (_validate(average.module, valid, mel, targets) if step % 500 == 499 else {})
            )
        if (step + 1) % stage.save_every == 0 or step + 1 == stage.steps:
            run.save(step + 1)
    return run.folder


def _spans(stage: SemanticStage, seed: int, step: int, shape: torch.Size) -> Tensor:
    """``(B, T)`` bool: spans of hidden frames, about ``mask_share`` of all."""
    generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
    starts = torch.rand(shape, generator=generator) < stage.mask_share / stage.mask_span
    spread = F.max_pool1d(starts.float().unsqueeze(1), stage.mask_span, 1, stage.mask_span // 2)
    return spread.squeeze(1)[:, : shape[1]] > 0


@torch.no_grad()
def _validate(model: SemanticEncoder, valid: Crops, mel: LogMel, targets: Targets) -> dict[str, float]:
    """Share of unexplained variance of each target group on fixed validation crops, nothing hidden."""
    batch = valid.batch(0)
    clean = mel(batch.wave)
    target, output = targets(batch.features, clean), model(clean)
    groups = {"teacher": slice(0, targets.n_teacher), "spectrum": slice(targets.n_teacher, None)}
    return {
        f"valid_{name}": ((output - target)[..., part].pow(2).mean() / target[..., part].var((0, 1)).mean()).item()
        for name, part in groups.items()
    }
