"""The one training loop: steps, gradients, averages, checkpoints and metrics around a function that gives losses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from train.config import RunConfig
from train.crops import Batch, Crops
from train.parallel import Place, average_gradients, mean_over_processes
from train.progress import Steps
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
    def average_decay(self) -> float: ...


def no_figures(model: nn.Module) -> Mapping[str, float]:
    """Of a training that is not validated."""
    return {}


def no_specimens(model: nn.Module) -> Specimens:
    """Of a training that makes no sound."""
    return Specimens()


@dataclass(frozen=True)
class Training:
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
    """

    name: str
    model: nn.Module
    losses: Callable[[nn.Module, int, Batch], Losses]
    validate: Callable[[nn.Module], Mapping[str, float]]
    matters: Sequence[str]
    upon: str = ""
    beside: Mapping[str, Stateful] = field(default_factory=dict)
    specimens: Callable[[nn.Module], Specimens] = no_specimens


def train(config: RunConfig, stage: StagePlan, data: Crops, place: Place, training: Training) -> Path:
    """Trains to the end, or goes on from the last checkpoint.

    Args:
        config: of the whole training, kept beside the run.
        stage: its section for this stage.
        data: crops.
        place: of this process.
        training: what is trained.

    Returns:
        The run's folder.

    Raises:
        CodecError: a loss or a gradient is no longer a number, or the folder holds another run.
    """
    model = training.model
    average = Average(model, stage.average_decay)
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=stage.learning_rate, betas=BETAS, weight_decay=WEIGHT_DECAY, fused=True)
    parts: dict[str, Stateful] = {"model": model, "average": average, "optimizer": optimizer, **training.beside}
    run = Run(config.folder(training.name), config, parts, tuple(training.matters), main=place.main, upon=training.upon)
    recent: dict[str, float] = {}
    steps = Steps(training.name, data, run.resume(), stage.steps, place)
    for step, batch in steps:
        set_rate(optimizer, cosine(step, stage.steps, stage.learning_rate))
        losses = training.losses(model, step, batch)
        check_finite(losses["loss"], step, run)
        optimizer.zero_grad(set_to_none=True)
        losses["loss"].backward()
        average_gradients(parameters)
        clip_gradients(parameters, step, run)
        optimizer.step()
        average.update(model, step)
        recent.update({name: mean_over_processes(value) for name, value in losses.items()})
        run.after(
            step,
            stage,
            losses=lambda: recent | {"speed": steps.speed},
            figures=lambda: training.validate(average.module),
            specimens=lambda: training.specimens(average.module),
        )
    return run.close()
