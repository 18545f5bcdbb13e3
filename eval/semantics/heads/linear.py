"""The head that X-ARES calls MLP: LayerNorm and one linear layer, trained with Adam on a cosine schedule."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from quantizers.threads import one_thread

Loss = Callable[[Tensor, Tensor], Tensor]
LAST_LEARNING_RATE = 0.1
"""Of the first one, that the schedule goes down to."""


@dataclass(frozen=True)
class Schedule:
    """How a head is trained.

    Attributes:
        epochs: passes over the training set; after each one the head is scored on the validation set.
        batch_size: clips per step.
        learning_rate: of the first epoch.
        seed: of the first weights and of the order of clips.
    """

    epochs: int = 10
    batch_size: int = 32
    learning_rate: float = 1e-3
    seed: int = 42

    def rate(self, epoch: int) -> float:
        """Learning rate of an epoch, counted from 0.

        Example:
            >>> [round(Schedule(epochs=5).rate(epoch), 6) for epoch in (0, 1, 2)]
            [0.001, 0.000914, 0.000689]
        """
        progress = (1 - math.cos(math.pi * epoch / self.epochs)) / 2
        return self.learning_rate * (1 - (1 - LAST_LEARNING_RATE) * progress)


class Head(nn.Module):
    """LayerNorm and linear layer; ``(…, D)`` → ``(…, classes)``."""

    def __init__(self, dim: int, classes: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.linear = nn.Linear(dim, classes)

    def forward(self, vectors: Tensor) -> Tensor:
        return self.linear(self.norm(vectors))

    @torch.inference_mode()
    def scores(self, vectors: np.ndarray) -> np.ndarray:
        """Logits of ``(N, D)``."""
        return self(torch.from_numpy(vectors).float()).numpy()


@one_thread()
def fit(model: nn.Module, count: int, loss: Callable[[Tensor], Tensor], score: Callable[[], float], schedule: Schedule) -> None:
    """Trains a model and leaves it as it was after the epoch with the best validation score.

    Args:
        model: what is trained, in place.
        count: training examples.
        loss: of the examples with the given numbers.
        score: of the model on the validation set, now.
        schedule: epochs, batch size, learning rate, seed of the order.
    """
    generator = torch.Generator().manual_seed(schedule.seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=schedule.learning_rate)
    best, best_state = -math.inf, dict[str, Tensor]()
    for epoch in range(schedule.epochs):
        for group in optimizer.param_groups:
            group["lr"] = schedule.rate(epoch)
        model.train()
        for batch in torch.randperm(count, generator=generator).split(schedule.batch_size):
            optimizer.zero_grad()
            loss(batch).backward()
            optimizer.step()
        model.eval()
        value = score()
        if value > best:
            best, best_state = value, {key: tensor.clone() for key, tensor in model.state_dict().items()}
    model.load_state_dict(best_state)


def train_head(
    vectors: np.ndarray, targets: np.ndarray, classes: int, loss: Loss, score: Callable[[Head], float], schedule: Schedule
) -> Head:
    """Trains a `Head`.

    Args:
        vectors: ``(N, D)``, or ``(N, T, D)`` for frame-wise classes.
        targets: ``(N,)`` class numbers, or ``(N, classes)`` or ``(N, T, classes)`` float32 for several labels.
        classes: number of classes.
        loss: of logits and targets.
        score: of a head on the validation set.
        schedule: epochs, batch size, learning rate, seed.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(schedule.seed)
        head = Head(vectors.shape[-1], classes)
    inputs, wanted = torch.from_numpy(vectors).float(), torch.from_numpy(targets)
    fit(head, len(inputs), lambda batch: loss(head(inputs[batch]), wanted[batch]), lambda: score(head), schedule)
    return head
