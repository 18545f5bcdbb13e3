"""Frame tasks of X-ARES: a linear layer on every frame, scored by segments."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from eval.semantics.heads.frames import Event, pooled, rasterise, segment_f1, segment_predictions, segment_targets
from eval.semantics.heads.linear import Head, Schedule, fit
from eval.semantics.scores import Mode
from eval.semantics.xares.examples import Example
from eval.semantics.xares.tasks import TaskDefinition


def score_frames(
    train: list[Example],
    valid: list[Example],
    test: list[Example],
    task: TaskDefinition,
    mode: Mode,
    names: list[str],
    schedule: Schedule,
    hop_seconds: float,
) -> float:
    """Trains the frame-wise head and gives its segment F1 on the test split."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(schedule.seed)
        head = Head(train[0].vectors.shape[1], len(names))
    scorer = _Scorer(task, mode, names, hop_seconds)
    targets = [scorer.raster(example) for example in train]
    weight = torch.full((len(names),), task.positive_weight)

    def loss(batch: Tensor) -> Tensor:
        chosen = [int(index) for index in batch]
        vectors = scorer.joined([train[i].vectors for i in chosen])
        wanted = scorer.joined([targets[i] for i in chosen])
        return F.binary_cross_entropy_with_logits(head(vectors), wanted, pos_weight=weight)

    fit(head, len(train), loss, lambda: scorer.score(head, valid), schedule)
    return scorer.score(head, test)


def all_active(test: list[Example], task: TaskDefinition, names: list[str]) -> float:
    """Segment F1 of saying of every segment that all classes are in it: the most that can be had without listening."""
    scorer = _Scorer(task, "corrected", names, 1.0)
    targets = [segment_targets(scorer.events(e), e.seconds, task.segment_seconds, len(names)) for e in test]
    return segment_f1([np.ones_like(target) for target in targets], targets, scorer.average)


class _Scorer:
    def __init__(self, task: TaskDefinition, mode: Mode, names: list[str], hop_seconds: float) -> None:
        self.task, self.mode, self.hop = task, mode, hop_seconds
        self.numbers = {name: number for number, name in enumerate(names)}
        self.average = "micro" if task.metric == "segmentf1_micro" else "macro"

    def events(self, example: Example) -> list[Event]:
        return [Event(onset, offset, self.numbers[label]) for onset, offset, label in example.events]

    def raster(self, example: Example) -> np.ndarray:
        return rasterise(self.events(example), len(example.vectors), self.hop, len(self.numbers))

    def joined(self, arrays: Sequence[np.ndarray]) -> Tensor:
        """Frames of a batch: padded as X-ARES does, or one after the other."""
        if self.mode == "corrected":
            return torch.from_numpy(np.concatenate(arrays))
        longest = max(len(array) for array in arrays)
        return torch.from_numpy(np.stack([np.pad(a, ((0, longest - len(a)), (0, 0))) for a in arrays]))

    def score(self, head: Head, examples: list[Example]) -> float:
        pairs = self._compatible(head, examples) if self.mode == "compatible" else self._corrected(head, examples)
        return segment_f1([p for p, _ in pairs], [t for _, t in pairs], self.average)

    def _corrected(self, head: Head, examples: list[Example]) -> list[tuple[np.ndarray, np.ndarray]]:
        pairs, segment = [], self.task.segment_seconds
        for example in examples:
            target = segment_targets(self.events(example), example.seconds, segment, len(self.numbers))
            active = head.scores(example.vectors) > 0
            pairs.append((segment_predictions(active, self.hop, segment, len(target)), target))
        return pairs

    def _compatible(self, head: Head, examples: list[Example]) -> list[tuple[np.ndarray, np.ndarray]]:
        pairs, segment = [], self.task.segment_seconds
        for start in range(0, len(examples), self.task.batch_size):
            batch = examples[start : start + self.task.batch_size]
            logits = head.scores(self.joined([example.vectors for example in batch]).numpy())
            targets = self.joined([self.raster(example) for example in batch]).numpy() > 0
            pairs += [
                (pooled(a > 0, self.hop, segment), pooled(t, self.hop, segment)) for a, t in zip(logits, targets, strict=True)
            ]
        return pairs
