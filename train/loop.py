"""The one training loop: steps, gradients, averages, checkpoints and metrics around a function that gives losses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from train.config import RunConfig
from train.metrics import grouped
from train.parallel import Place, average_gradients, mean_over_processes
from train.progress import Given, Source, Steps
from train.run import Average, Plan, Run, Stateful, check_finite, clip_gradients, cosine, set_rate
from train.specimens import Specimens

Losses = Mapping[str, Tensor]
BETAS, WEIGHT_DECAY = (0.9, 0.98), 0.01
"""Of AdamW."""


class StagePlan(Plan, Protocol):
    """What a stage's config says of its training."""

    @property
    def learning_rate(self) -> float: ...
    @property
    def average_decay(self) -> float | None: ...


def no_figures(model: nn.Module) -> Mapping[str, float]:
    """The figures of a training that is not validated: none."""
    return {}


def no_specimens(model: nn.Module) -> Specimens:
    """The specimens of a training that makes no sound: none."""
    return Specimens()


def _nothing(step: int) -> None:
    """What most trainings do after an optimiser's step."""


def _never() -> bool:
    """When most trainings end before their last step."""
    return False


@dataclass(frozen=True)
class Training(Generic[Given]):
    """What is trained, and how.

    Attributes:
        name: of the stage.
        model: all of it is saved; parameters that need no gradient stay.
        losses: of a step and its batch, by name. ``loss`` is what is minimised, the others are logged.
        validate: figures of the averaged model; none where no clips are held out.
        matters: sections of the config that a run cannot change on its way.
        upon: digest of the weights that the run stands on and leaves as they are.
        beside: what else learns, inside of ``losses``, and is saved with the model.
        specimens: what the averaged model makes of a few held-out clips, to be heard beside the figures.
        optimizer: of everything that minimises the loss; None: AdamW of the model's parameters.
        rate: its learning rate at a step; None: a half cosine over the stage.
        most: norm that gradients are scaled down to.
        after: called with the step when the optimiser has taken it.
        ended: whether to end before the last step; for runs in one process.
        validate_first: whether a new run's figures begin before its first step.
    """

    name: str
    model: nn.Module
    losses: Callable[[nn.Module, int, Given], Losses]
    validate: Callable[[nn.Module], Mapping[str, float]]
    matters: Sequence[str]
    upon: str = ""
    beside: Mapping[str, Stateful] = field(default_factory=dict)
    specimens: Callable[[nn.Module], Specimens] = no_specimens
    optimizer: torch.optim.Optimizer | None = None
    rate: Callable[[int], float] | None = None
    most: float = 1.0
    after: Callable[[int], None] = _nothing
    ended: Callable[[], bool] = _never
    validate_first: bool = False


class Trained(NamedTuple):
    """What a training leaves.

    Attributes:
        folder: of the run.
        steps: that were taken, those before it was resumed included.
        averaged: the model with averaged weights; where the stage averages none, as it was left.
    """

    folder: Path
    steps: int
    averaged: nn.Module


def train(config: RunConfig, stage: StagePlan, data: Source[Given], place: Place, training: Training[Given]) -> Trained:
    """Trains to the end, or goes on from the last checkpoint.

    Args:
        config: of the whole training, kept beside the run.
        stage: its section for this stage.
        data: batches.
        place: of this process.
        training: what is trained.

    Raises:
        CodecError: a loss or a gradient is no longer a number, or the folder holds another run.
    """
    model = training.model
    average = None if stage.average_decay is None else Average(model, stage.average_decay)
    averaged = average.module if average else model
    optimizer = training.optimizer or _adamw(model, stage.learning_rate)
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    parts: dict[str, Stateful] = {"model": model, "optimizer": optimizer, **training.beside}
    if average:
        parts["average"] = average
    run = Run(config.folder(training.name), config, parts, tuple(training.matters), main=place.main, upon=training.upon)
    recent: dict[str, float] = {}
    done = run.resume()
    if training.validate_first and not done and (first := training.validate(averaged)):
        run.log(0, grouped("valid", first))
    steps = Steps(training.name, data, done, stage.steps, place)
    for step, batch in () if training.ended() else steps:
        set_rate(optimizer, training.rate(step) if training.rate else cosine(step, stage.steps, stage.learning_rate))
        losses = training.losses(model, step, batch)
        check_finite(losses["loss"], step, run)
        optimizer.zero_grad(set_to_none=True)
        losses["loss"].backward()
        average_gradients(parameters)
        clip_gradients(parameters, step, run, training.most)
        optimizer.step()
        if average:
            average.update(model, step)
        training.after(step)
        done = step + 1
        recent.update({name: mean_over_processes(value) for name, value in losses.items()})
        run.after(
            step,
            stage,
            losses=lambda: recent | {"speed": steps.speed},
            figures=lambda: training.validate(averaged),
            specimens=lambda: training.specimens(averaged),
        )
        if training.ended():
            run.save(done)
            break
    return Trained(run.close(), done, averaged)


def _adamw(model: nn.Module, rate: float) -> torch.optim.Optimizer:
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return torch.optim.AdamW(parameters, lr=rate, betas=BETAS, weight_decay=WEIGHT_DECAY, fused=True)
