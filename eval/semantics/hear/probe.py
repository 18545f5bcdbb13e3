"""HEAR's probe for scenes, as in heareval 2021.1: small networks from a grid, chosen on validation, early stopping, folds."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from codec.errors import CodecError
from eval.semantics.checked import embed_checked
from eval.semantics.heads.metrics import accuracy, chroma_accuracy, mean_average_precision
from eval.semantics.hear.tasks import HearFolder, open_folder
from eval.semantics.interface import Embedder
from eval.semantics.scores import Score

TOGETHER = 64
"""Clips that are read, and then embedded."""
GRID_POINTS = 8
"""That are tried, out of 16."""


@dataclass(frozen=True)
class Point:
    """A point of the grid."""

    hidden_layers: int
    learning_rate: float
    normal: bool


GRID = tuple(
    Point(layers, rate, normal)
    for layers, rate, normal in itertools.product((1, 2), (3.2e-3, 1e-3, 3.2e-4, 1e-4), (False, True))
)


@dataclass(frozen=True)
class Budget:
    """How long a network is trained.

    Attributes:
        hidden_dim: width of the hidden layers.
        batch_size: clips per step.
        epochs: at most.
        every: epochs between two validations.
        patience: validations without a better score before it stops.
        points: of the grid that are tried.
        seed: of the choice of points, first weights and order.
    """

    hidden_dim: int = 1024
    batch_size: int = 1024
    epochs: int = 500
    every: int = 3
    patience: int = 20
    points: int = GRID_POINTS
    seed: int = 42


@dataclass(frozen=True)
class Data:
    """Vectors ``(N, D)`` and targets ``(N, classes)`` of one split."""

    vectors: np.ndarray
    targets: np.ndarray


Metric = Callable[[np.ndarray, np.ndarray], float]
_METRICS: dict[str, Metric] = {
    "top1_acc": lambda scores, targets: accuracy(scores, targets.argmax(1)),
    "pitch_acc": lambda scores, targets: accuracy(scores, targets.argmax(1)),
    "chroma_acc": lambda scores, targets: chroma_accuracy(scores, targets.argmax(1)),
    # Classes without a clip are left out; scikit-learn's nan or 0 for them would depend on its version.
    "mAP": lambda scores, targets: mean_average_precision(scores, targets > 0),
}


class Network(nn.Sequential):
    """(Linear, BatchNorm, Dropout, ReLU) once or twice, and a projection; Xavier-initialised."""

    def __init__(self, dim: int, classes: int, point: Point, hidden_dim: int) -> None:
        layers: list[nn.Module] = []
        start = nn.init.xavier_normal_ if point.normal else nn.init.xavier_uniform_
        for index in range(point.hidden_layers):
            linear = nn.Linear(dim, hidden_dim)
            start(linear.weight, gain=nn.init.calculate_gain("relu" if index else "linear"))
            layers += [linear, nn.BatchNorm1d(hidden_dim), nn.Dropout(0.1), nn.ReLU()]
            dim = hidden_dim
        projection = nn.Linear(dim, classes)
        start(projection.weight, gain=nn.init.calculate_gain("relu"))
        super().__init__(*layers, projection)

    @torch.inference_mode()
    def scores(self, vectors: np.ndarray, multilabel: bool) -> np.ndarray:
        """``(N, classes)``: probabilities of one class a clip; logits where a clip may have several.

        mAP ranks clips within a class, and softmax changes that order, for it shifts each clip by a number of its own. A
        sigmoid changes none.
        """
        self.eval()
        logits = self(torch.from_numpy(vectors))
        return (logits if multilabel else logits.softmax(1)).numpy()


def probe(folder: Path, embedder: Embedder, budget: Budget | None = None) -> Score:
    """Scores an embedder on a task of HEAR.

    Raises:
        CodecError: the folder or a clip cannot be used, or the embedder gives something wrong; names file and task.
    """
    budget = budget or Budget()
    task = open_folder(folder)
    data = {split: _embed(task, split, embedder) for split in task.splits}
    rounds = list(_rounds(data, task.folded))
    metric = _METRICS[task.metric]
    best = _choose(rounds[0], task, metric, budget)
    values = []
    for train, valid, test in rounds:
        network, _ = fit(train, valid, best, task.multilabel, metric, budget)
        values.append(metric(network.scores(test.vectors, task.multilabel), test.targets))
    return Score(
        suite="hear",
        task=task.name,
        embedder=embedder.name,
        head="mlp",
        mode="corrected",
        metric=task.metric,
        value=float(np.mean(values)),
        weight=1.0,
        train=len(rounds[0][0].vectors),
        test=sum(len(test.vectors) for _, _, test in rounds),
        folds=tuple(values) if len(values) > 1 else (),
        bitrate=embedder.bitrate,
        trained=embedder.trained,
        dim=embedder.dim,
    )


def fit(train: Data, valid: Data, point: Point, multilabel: bool, metric: Metric, budget: Budget) -> tuple[Network, float]:
    """Trains one network; the validation with the best score counts.

    Returns:
        It, and that score.
    """
    generator = torch.Generator().manual_seed(budget.seed)
    inputs, targets = torch.from_numpy(train.vectors), torch.from_numpy(train.targets)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(budget.seed)
        network = Network(inputs.shape[1], targets.shape[1], point, budget.hidden_dim)
        optimizer = torch.optim.Adam(network.parameters(), lr=point.learning_rate)
        best, best_state, stale = -math.inf, dict[str, Tensor](), 0
        for epoch in range(1, budget.epochs + 1):
            network.train()
            for batch in torch.randperm(len(inputs), generator=generator).split(budget.batch_size):
                if len(batch) == 1:
                    continue  # BatchNorm has no variance of one clip.
                logits = network(inputs[batch])
                optimizer.zero_grad()
                _loss(logits, targets[batch], multilabel).backward()
                optimizer.step()
            if epoch % budget.every and epoch < budget.epochs:
                continue
            value = metric(network.scores(valid.vectors, multilabel), valid.targets)
            stale = 0 if value > best else stale + 1
            if value > best:
                best, best_state = value, {key: tensor.clone() for key, tensor in network.state_dict().items()}
            if stale >= budget.patience:
                break
    network.load_state_dict(best_state)
    return network, best


def _loss(logits: Tensor, targets: Tensor, multilabel: bool) -> Tensor:
    if multilabel:
        return F.binary_cross_entropy_with_logits(logits, targets)
    return F.cross_entropy(logits, targets.argmax(1))


def _choose(first: tuple[Data, Data, Data], task: HearFolder, metric: Metric, budget: Budget) -> Point:
    """The point that is best on the validation set of the first round; the other rounds take it over."""
    points = random.Random(budget.seed).sample(GRID, min(budget.points, len(GRID)))
    train, valid, _ = first
    return max(points, key=lambda point: fit(train, valid, point, task.multilabel, metric, budget)[1])


def _rounds(data: dict[str, Data], folded: bool) -> Iterator[tuple[Data, Data, Data]]:
    """Train, valid, test; with folds, fold i is tested, fold i + 1 validates, the rest trains."""
    if not folded:
        yield data["train"], data["valid"], data["test"]
        return
    names = sorted(data)
    for number, name in enumerate(names):
        after = names[(number + 1) % len(names)]
        yield _join([data[other] for other in names if other not in (name, after)]), data[after], data[name]


def _join(parts: Sequence[Data]) -> Data:
    return Data(np.concatenate([part.vectors for part in parts]), np.concatenate([part.targets for part in parts]))


def _embed(task: HearFolder, split: str, embedder: Embedder) -> Data:
    number = {name: index for index, name in enumerate(task.names)}
    files = task.splits[split]
    names = [f"{task.path / split}: {file} (task {task.name})" for file in files]
    vectors = np.zeros((len(files), embedder.dim), np.float32)
    targets = np.zeros((len(files), len(task.names)), np.float32)
    for row, (where, labels) in enumerate(zip(names, files.values(), strict=True)):
        strange = set(labels) - set(number)
        if strange or (not task.multilabel and len(labels) != 1):
            raise CodecError(f"{where}: labels {labels} do not fit labelvocabulary.csv")
        targets[row, [number[label] for label in labels]] = 1
    for start in range(0, len(files), TOGETHER):
        chosen = list(files)[start : start + TOGETHER]
        waves = [task.wave(split, file) for file in chosen]
        outputs = embed_checked(embedder, waves, task.sample_rate, names[start : start + TOGETHER])
        vectors[start : start + TOGETHER] = [output.mean(0) for output in outputs]
    return Data(vectors, targets)
