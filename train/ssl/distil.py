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

from codec.config import Config, MelConfig, SemanticConfig
from codec.features import LogMel
from codec.semantic import SemanticEncoder
from train.corpora.store import Corpus
from train.crops import Crops, open_features
from train.run import Average, Run, check_finite, cosine

N_TEACHER, N_SPECTRUM = 64, 32


class DistilConfig(Config):
    """One pretraining run."""

    corpus: str
    teacher: str
    run: str
    mel: MelConfig = MelConfig()
    model: SemanticConfig = SemanticConfig(n_features=N_TEACHER + N_SPECTRUM)
    weights: dict[str, float] = {"speech": 0.55, "music": 0.3, "sound": 0.15}
    crop_frames: int = 128
    batch_size: int = 32
    steps: int = 4000
    learning_rate: float = 1.5e-3
    mask_share: float = 0.3
    mask_span: int = 10
    spectrum_weight: float = 0.5
    seed: int = 0
    save_every: int = 500


def spectrum(mel: Tensor) -> Tensor:
    """``(B, 2·T, M)`` log-mel → ``(B, T, 2·M)``, each frame's mean removed: shape without level."""
    frames = rearrange(mel, "b (t two) m -> b t (two m)", two=2)
    return frames - frames.mean(-1, keepdim=True)


class Targets:
    """Scaled principal components of teacher and spectrum, as one vector a frame."""

    def __init__(self, teacher: Path, mel: LogMel, crops: Crops, weight: float) -> None:
        values = np.load(teacher / "pca.npz")["values"][:N_TEACHER]
        self.teacher_scale = float(1 / np.sqrt(values.sum()))
        with torch.no_grad():
            frames = torch.cat([spectrum(mel(crops.batch(-i - 1 & 0x7FFFFFFF).wave)).flatten(0, 1) for i in range(20)])
        self.mean = frames.mean(0)
        eigenvalues, vectors = torch.linalg.eigh(torch.cov((frames - self.mean).T))
        self.basis = vectors.flip(1)[:, :N_SPECTRUM] * (weight / eigenvalues.flip(0)[:N_SPECTRUM].sum()).sqrt()

    def __call__(self, features: Tensor, mel: Tensor) -> Tensor:
        teacher = features[..., :N_TEACHER] * self.teacher_scale
        return torch.cat([teacher, (spectrum(mel) - self.mean) @ self.basis], -1)


def train(config: DistilConfig) -> Path:
    """Trains to the end (or goes on from the last checkpoint); returns the run's folder."""
    torch.manual_seed(config.seed)
    corpus = Corpus(config.corpus)
    features = open_features(Path(config.teacher), 128)
    mel = LogMel(n_fft=config.mel.n_fft, hop_length=config.mel.hop_length, n_mels=config.mel.n_mels)

    def crops(split: str, seed: int) -> Crops:
        return Crops(corpus, split, config.weights, config.crop_frames, config.batch_size, features, seed)

    data, valid = crops("train", config.seed), crops("valid", 1)
    targets = Targets(Path(config.teacher), mel, data, config.spectrum_weight)
    model = SemanticEncoder(config.model, config.mel.n_mels)
    average = Average(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, betas=(0.9, 0.98), weight_decay=0.05)
    run = Run(config.run, config, {"model": model, "average": average, "optimizer": optimizer})
    start = run.resume()
    for step, batch in data.stream(start):
        if step >= config.steps:
            break
        for group in optimizer.param_groups:
            group["lr"] = cosine(step, config.steps, config.learning_rate)
        with torch.no_grad():
            clean = mel(batch.wave)
            target = targets(batch.features, clean)
        hidden = _spans(config, step, target.shape[:2])
        with torch.autocast("cpu", torch.bfloat16):
            predicted = model(clean, hidden=hidden)
        loss = F.mse_loss(predicted.float(), target) * target.shape[-1]
        check_finite(loss, step, run)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        average.update(model, step)
        if step % 100 == 99:
            run.log(step + 1, {"loss": loss.item()} | (_validate(average.module, valid, mel, targets) if step % 500 == 499 else {}))
        if (step + 1) % config.save_every == 0 or step + 1 == config.steps:
            run.save(step + 1)
    return run.folder


def _spans(config: DistilConfig, step: int, shape: torch.Size) -> Tensor:
    """``(B, T)`` bool: spans of hidden frames, about ``mask_share`` of all."""
    generator = torch.Generator().manual_seed(config.seed * 1_000_003 + step)
    starts = torch.rand(shape, generator=generator) < config.mask_share / config.mask_span
    spread = F.max_pool1d(starts.float().unsqueeze(1), config.mask_span, 1, config.mask_span // 2)
    return spread.squeeze(1)[:, : shape[1]] > 0


@torch.no_grad()
def _validate(model: SemanticEncoder, valid: Crops, mel: LogMel, targets: Targets) -> dict[str, float]:
    """Share of unexplained variance of each target group on fixed validation crops, nothing hidden."""
    batch = valid.batch(0)
    clean = mel(batch.wave)
    target, output = targets(batch.features, clean), model(clean)
    groups = {"teacher": slice(0, N_TEACHER), "spectrum": slice(N_TEACHER, None)}
    return {
        f"valid_{name}": ((output - target)[..., part].pow(2).mean() / target[..., part].var((0, 1)).mean()).item()
        for name, part in groups.items()
    }
