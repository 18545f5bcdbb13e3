"""Supervised fine-tuning of our semantic encoder on labelled clips; afterwards it is frozen and probed like any other.

One linear head per task on the mean over time, thrown away at the end. The codebooks stay those of the encoder before, so
only its features are of use.
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from codec.atomic import atomic_write
from codec.errors import CodecError
from codec.hub import export, load_own
from codec.networks.interface import CodecNetworks
from eval.semantics.clips import read_clips
from eval.semantics.embeddings.tokens import TUNED
from eval.semantics.history import digest_of_task
from eval.semantics.xares.tasks import card_of


@dataclass(frozen=True)
class Tuning:
    """How long and how hard.

    Attributes:
        steps: each takes a batch of every task.
        batch_size: clips of a task per step.
        seconds: longest part of a clip that is heard.
        learning_rate: of the encoder; heads learn ten times as fast.
        every: steps between two looks at the validation splits; the best one counts.
        seed: of heads and order.
    """

    steps: int = 300
    batch_size: int = 12
    seconds: float = 1.28
    learning_rate: float = 1e-4
    every: int = 50
    seed: int = 0


@dataclass(frozen=True)
class Labelled:
    """Clips of one split of one task, ``(samples,)`` each, and the numbers of their classes."""

    waves: list[np.ndarray]
    labels: np.ndarray


def read_labelled(folder: Path, split: str, sample_rate: int) -> Labelled:
    """Clips and labels of a task folder.

    Raises:
        CodecError: not a task of one label a clip at that rate; names file and task.
    """
    card = card_of(folder)
    number = {name: index for index, name in enumerate(card.classes)}
    waves, labels = [], []
    for clip in read_clips(card.tars(folder.resolve().parent, split)):
        label = clip.fields.get("label") if isinstance(clip.fields, dict) else None
        if label not in number or clip.sample_rate != sample_rate:
            raise CodecError(f"task {card.name}: {clip.where}: label {label!r} at {clip.sample_rate} Hz cannot be trained on")
        waves.append(clip.wave)
        labels.append(number[str(label)])
    if not waves:
        raise CodecError(f"task {card.name}: the {split} split is empty")
    return Labelled(waves, np.array(labels))


class Tuner(nn.Module):
    """The encoder and a head per task.

    Args:
        networks: whose semantic encoder is trained in place.
        classes: of each task.
    """

    def __init__(self, networks: CodecNetworks, classes: Sequence[int]) -> None:
        super().__init__()
        width = networks.config.semantic.n_features
        self.mel, self.encoder = networks.mel, networks.semantic
        self.hop = networks.frame_length
        self.heads = nn.ModuleList(nn.Sequential(nn.LayerNorm(width), nn.Linear(width, count)) for count in classes)

    def forward(self, task: int, waves: Tensor, frames: Tensor) -> Tensor:
        """``(B, samples)`` with true lengths ``(B,)`` in frames → logits; padding is left out of the mean."""
        features = self.encoder(self.mel(waves))
        inside = torch.arange(features.shape[1]) < frames.unsqueeze(1)
        mean = (features * inside.unsqueeze(2)).sum(1) / frames.unsqueeze(1)
        logits: Tensor = self.heads[task](mean)
        return logits

    def gather(self, clips: Labelled, chosen: Sequence[int], seconds: float, sample_rate: int) -> tuple[Tensor, Tensor]:
        """A padded batch of the middles of clips, in whole frames, and how many frames each has."""
        longest = int(seconds * sample_rate) // self.hop * self.hop
        parts = []
        for index in chosen:
            wave = clips.waves[index]
            start = max(0, (len(wave) - longest) // 2)
            part = wave[start : start + longest]
            parts.append(np.pad(part, (0, -len(part) % self.hop)))
        size = max(map(len, parts))
        batch = torch.from_numpy(np.stack([np.pad(part, (0, size - len(part))) for part in parts]))
        return batch, torch.tensor([len(part) // self.hop for part in parts])


def tune(
    model: str, tasks: Sequence[Path], output: Path, settings: Tuning, told: Callable[[int, float], None] = lambda s, v: None
) -> Path:
    """Trains on the ``train`` splits of some tasks and writes a model whose features ``tuned:FOLDER`` embeds with.

    Args:
        model: ``default`` or a folder.
        tasks: folders of tasks with one label a clip.
        output: folder of the result.
        settings: how long and how hard.
        told: of step and mean validation accuracy.

    Raises:
        CodecError: a task that cannot be trained on.
    """
    base = load_own(model)
    networks, learned = copy.deepcopy(base.networks), {folder.name: digest_of_task(folder) for folder in tasks}
    rate = networks.config.sample_rate
    train = [read_labelled(folder, "train", rate) for folder in tasks]
    valid = [read_labelled(folder, "valid", rate) for folder in tasks]
    random = np.random.default_rng(settings.seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        tuner = Tuner(networks, [len(card_of(folder).classes) for folder in tasks])
    tuner.encoder.requires_grad_(True)
    rates = [(tuner.encoder, settings.learning_rate), (tuner.heads, 10 * settings.learning_rate)]
    optimizer = torch.optim.AdamW([{"params": part.parameters(), "lr": lr} for part, lr in rates], weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5 + 0.5 * math.cos(math.pi * step / settings.steps))
    best, kept = -1.0, copy.deepcopy(tuner.encoder.state_dict())
    for step in range(1, settings.steps + 1):
        optimizer.zero_grad()
        for number, clips in enumerate(train):
            chosen = random.integers(len(clips.waves), size=settings.batch_size)
            logits = tuner(number, *tuner.gather(clips, chosen.tolist(), settings.seconds, rate))
            (F.cross_entropy(logits, torch.from_numpy(clips.labels[chosen])) / len(train)).backward()
        nn.utils.clip_grad_norm_(tuner.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % settings.every == 0 or step == settings.steps:
            value = _accuracy(tuner, valid, settings, rate)
            told(step, value)
            if value > best:
                best, kept = value, copy.deepcopy(tuner.encoder.state_dict())
    tuner.encoder.load_state_dict(kept)
    export(networks, output)
    _sign(output, {"model": base.fingerprint, "tasks": learned, "steps": settings.steps, "seed": settings.seed})
    return output


def _sign(folder: Path, tuned: dict[str, object]) -> None:
    """Adds to a model's config what it was tuned on, which `tuned_on` reads."""
    path = folder / "config.json"
    config = {**json.loads(path.read_text("utf-8")), TUNED: tuned}
    with atomic_write(path) as handle:
        handle.write((json.dumps(config, indent=1) + "\n").encode())


@torch.inference_mode()
def _accuracy(tuner: Tuner, valid: Sequence[Labelled], settings: Tuning, rate: int) -> float:
    values = []
    for number, clips in enumerate(valid):
        right = 0
        for start in range(0, len(clips.waves), 64):
            chosen = range(start, min(start + 64, len(clips.waves)))
            logits = tuner(number, *tuner.gather(clips, chosen, settings.seconds, rate))
            right += int((logits.argmax(1).numpy() == clips.labels[chosen.start : chosen.stop]).sum())
        values.append(right / len(clips.waves))
    return float(np.mean(values))
