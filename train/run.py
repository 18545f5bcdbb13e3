"""A training run on disk: resolved config, metrics, checkpoints that survive a kill at any moment."""

from __future__ import annotations

import copy
import json
import math
import pickle
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import torch

from codec.atomic import atomic_path, atomic_write
from codec.config import Config
from codec.errors import CodecError
from codec.provenance import revision
from train.metrics import Metrics, Values, grouped
from train.records import changed, settings
from train.specimens import Specimens

LOG_EVERY = 100
"""Steps between lines of metrics."""
WARMUP, FLOOR = 200, 0.02
"""Steps in which the learning rate rises, and the share of its peak that it ends at."""
FREE = ("steps", "save_every")
"""Keys of a stage that may change on a run's way: how long it goes, and how often it is written down."""


def due(step: int, steps: int) -> bool:
    """Whether a step's losses are logged: every `LOG_EVERY`-th, and the first and last, so that runs can be compared."""
    return (step + 1) % LOG_EVERY == 0 or step in (0, steps - 1)


class Plan(Protocol):
    """What a stage's config says of its steps."""

    @property
    def steps(self) -> int: ...
    @property
    def save_every(self) -> int: ...


Module = TypeVar("Module", bound=torch.nn.Module)


class Stateful(Protocol):
    """What a checkpoint can hold: modules, optimisers, averages."""

    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any], /) -> Any: ...


class Run:
    """A folder with ``config.json``, ``metrics.jsonl`` and ``checkpoint.pt``.

    Args:
        folder: created if missing; resumed if it holds a checkpoint.
        config: saved at every start, since what may change may have; a resume with another one is refused.
        parts: everything whose state must come back, by name.
        matters: sections of the config that must be the same when a run is resumed.
        main: whether this process writes; the others only read.
        upon: name of the weights that the run stands on and leaves as they are; a resume upon others is refused.

    Raises:
        CodecError: the folder belongs to a run with another config, or upon other weights.
    """

    def __init__(
        self,
        folder: str | Path,
        config: Config,
        parts: Mapping[str, Stateful],
        matters: tuple[str, ...],
        main: bool = True,
        upon: str = "",
    ) -> None:
        self.folder, self.parts, self.main = Path(folder), parts, main
        self.folder.mkdir(parents=True, exist_ok=True)
        self.started = time.monotonic()
        self.seconds_before, self.resumed = 0.0, 0
        self._metrics: Metrics | None = None
        self._claim(config, matters, upon)

    def _claim(self, config: Config, matters: tuple[str, ...], upon: str) -> None:
        """Writes down the config of this start, beside what the first one said of its origin."""
        path = self.folder / "config.json"
        about = {"upon": upon, "revision": revision() or "unknown"}
        if path.exists():
            about = check_origin(self.folder, config, matters, upon)
            if self.folder.is_symlink():  # of another root, whose config this is not
                return
        if self.main:
            with atomic_write(path) as handle:
                handle.write(json.dumps({**about, "config": config.model_dump(mode="json")}, indent=1).encode())

    @property
    def checkpoint(self) -> Path:
        """Path of the latest checkpoint."""
        return self.folder / "checkpoint.pt"

    @property
    def best(self) -> Path:
        """Path of a copy of the checkpoint whose validation was best; under the other's name, a run goes on from it."""
        return self.folder / "best.pt"

    def keep_best(self, figures: Values) -> None:
        """Copies the checkpoint that was just written, if the mean of its validation figures is the lowest so far."""
        if not self.main or not figures:
            return
        score, path = sum(figures.values()) / len(figures), self.folder / "best.json"
        before = json.loads(path.read_text("utf-8"))["score"] if path.is_file() and self.best.is_file() else math.inf
        if score < before:
            with atomic_path(self.best) as copy:
                shutil.copyfile(self.checkpoint, copy)
            with atomic_write(path) as handle:
                handle.write(json.dumps({"score": score, "figures": dict(figures)}, indent=1).encode())

    def resume(self) -> int:
        """Loads the latest checkpoint if there is one; returns the step to go on from. Metrics of later steps are dropped.

        Raises:
            CodecError: the checkpoint is damaged or holds other parts, as those of an older version do.
        """
        if self.checkpoint.exists():
            state = read_checkpoint(self.checkpoint)
            if state["parts"].keys() != self.parts.keys():
                raise CodecError(f"{self.checkpoint}: of another version of this stage; take another root, or delete it")
            for name, part in self.parts.items():
                part.load_state_dict(state["parts"][name])
            self.seconds_before = state["seconds"]
            self.resumed = int(state["step"])
        if self.main:
            self._metrics = Metrics(self.folder, self.resumed)
        return self.resumed

    def save(self, step: int) -> None:
        """Writes a checkpoint to a temporary name and renames it, so that there always is a whole one."""
        if not self.main:
            return
        staged = self.checkpoint.with_suffix(".new")
        state = {name: part.state_dict() for name, part in self.parts.items()}
        try:
            torch.save({"step": step, "seconds": self.seconds, "parts": state}, staged)
            staged.replace(self.checkpoint)
        except (OSError, RuntimeError) as error:  # torch reports a full disk as a RuntimeError
            staged.unlink(missing_ok=True)
            raise CodecError(f"cannot write {self.checkpoint} (disk full?): {error}; the last one is untouched") from error

    @property
    def seconds(self) -> float:
        """Wall seconds spent on this run, over all its starts."""
        return self.seconds_before + time.monotonic() - self.started

    def log(self, step: int, values: Values) -> None:
        """Appends a line to ``metrics.jsonl``, to TensorBoard's event file, and prints it."""
        if self.main:
            self._metrics = self._metrics or Metrics(self.folder)
            self._metrics.log(step, self.seconds, values)

    def show(self, step: int, specimens: Callable[[], Specimens]) -> None:
        """Clips for TensorBoard, to be heard and seen."""
        if self.main:
            self._metrics = self._metrics or Metrics(self.folder)
            shown = specimens()
            self._metrics.show(step, shown.clips)
            if shown.usage:
                self._metrics.log(step, self.seconds, shown.usage)

    def after(
        self,
        step: int,
        stage: Plan,
        losses: Callable[[], Values],
        figures: Callable[[], Values],
        specimens: Callable[[], Specimens] = Specimens,
    ) -> None:
        """Logs and saves what is due when a step is done.

        Args:
            step: number of the step.
            stage: says how many steps there are and how often to save.
            losses: of recent steps, logged below ``train/``; asked for in all processes.
            figures: of validation, before each checkpoint, logged below ``valid/``; empty without held-out clips.
            specimens: what can be heard of it then; asked for where they are written.
        """
        if due(step, stage.steps):
            self.log(step + 1, grouped("train", losses()))
        if (step + 1) % stage.save_every == 0 or step + 1 == stage.steps:
            found = grouped("valid", figures())
            if found:
                self.log(step + 1, found)
                self.show(step + 1, specimens)
            self.save(step + 1)
            self.keep_best(found)

    def close(self) -> Path:
        """Ends TensorBoard's event file; returns the run's folder."""
        if self._metrics:
            self._metrics.close()
        return self.folder


def check_origin(folder: Path, config: Config, matters: tuple[str, ...], upon: str = "") -> dict[str, Any]:
    """Compares a run's folder with the config of now, and with the weights that it stands on.

    Returns:
        What the folder says of itself.

    Raises:
        CodecError: something differs, or what the folder says of itself is damaged.
    """
    path = folder / "config.json"
    try:
        about: dict[str, Any] = json.loads(path.read_text("utf-8"))
        theirs, theirs_upon = about["config"], about.get("upon", "")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CodecError(f"{path}: damaged ({error}); choose another root or delete {folder}") from error
    mine = {key: value for key, value in settings(config, matters).items() if key.rpartition(".")[2] not in FREE}
    differ = changed(config, mine, _at(theirs, mine))
    if differ:
        raise CodecError(
            f"{folder}: holds a run with another config ({', '.join(differ)} differ); choose another root or delete it"
        )
    if upon and theirs_upon and upon != theirs_upon:
        raise CodecError(
            f"{folder}: holds a run upon the weights of other stages than are there now; delete it to train it anew"
        )
    return about


def _at(theirs: Any, keys: Iterable[str]) -> dict[str, Any]:
    """Values of a nested config at dotted keys, as far as it has them."""
    found = {}
    for key in keys:
        value = theirs
        for name in key.split("."):
            if not isinstance(value, dict) or name not in value:
                break
            value = value[name]
        else:
            found[key] = value
    return found


def read_checkpoint(path: Path, mapped: bool = False) -> dict[str, Any]:
    """What `Run.save` wrote.

    Args:
        path: of the checkpoint.
        mapped: weights stay in the file until they are looked at.

    Raises:
        CodecError: damaged.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
        if not isinstance(state, dict) or not {"parts", "seconds", "step"} <= state.keys():
            raise ValueError("parts, seconds or step are missing")
    except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        reason = (str(error).splitlines() or ["it ends too early"])[0]
        raise CodecError(f"{path}: damaged checkpoint ({reason}); delete its folder to train this stage anew") from error
    return state


def steps_done(folder: Path) -> int | None:
    """Steps of the last checkpoint in a run's folder, whose weights are not read; None without one.

    Raises:
        CodecError: damaged.
    """
    path = folder / "checkpoint.pt"
    return int(read_checkpoint(path, mapped=True)["step"]) if path.is_file() else None


def check_finite(value: torch.Tensor, step: int, run: Run, name: str = "loss") -> None:
    """Stops a run whose loss or gradient is no longer a number, before that reaches weights and their average.

    Args:
        value: the loss, or the norm of all gradients: a finite loss can have others.
        step: number of the step.
        run: whose checkpoint to go back to.
        name: of the value.

    Raises:
        CodecError: with the checkpoint to go back to and what to try.
    """
    if not torch.isfinite(value):
        good = f"the last good checkpoint is {run.checkpoint}" if run.checkpoint.exists() else "there is no checkpoint yet"
        raise CodecError(
            f"{name} is {value.item()} at step {step}; {good}. "
            "Try a lower learning_rate, or look for broken audio in the corpus report"
        )


def clip_gradients(parameters: Iterable[torch.nn.Parameter], step: int, run: Run, most: float = 1.0) -> None:
    """Scales gradients down to a norm of ``most``.

    Raises:
        CodecError: they are not finite.
    """
    check_finite(torch.nn.utils.clip_grad_norm_(parameters, most), step, run, "norm of gradients")


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Sets the learning rate of all of an optimiser's parameters."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def cosine(step: int, steps: int, peak: float) -> float:
    """Learning rate with a linear warm-up and a half cosine down to `FLOOR` of its peak."""
    if step < WARMUP:
        return peak * (step + 1) / WARMUP
    progress = min(1.0, (step - WARMUP) / max(1, steps - WARMUP))
    return peak * (FLOOR + (1 - FLOOR) * 0.5 * (1 + math.cos(math.pi * progress)))


def load_averaged(path: Path, model: torch.nn.Module) -> int:
    """Loads the averaged weights of a checkpoint into the module that was trained; returns its step.

    Raises:
        CodecError: the checkpoint is damaged, or of other sizes.
    """
    state, average = read_checkpoint(path), Average(model)
    try:
        average.load_state_dict(state["parts"]["average"])
    except (KeyError, RuntimeError) as error:
        raise CodecError(f"{path}: not of the networks that the config's model section describes") from error
    model.load_state_dict(average.module.state_dict())
    return int(state["step"])


class Average(torch.nn.Module, Generic[Module]):
    """Exponential moving average of a module's weights.

    Args:
        module: the one that is trained.
        decay: per step; ramps up from 0 so that the start is forgotten.
    """

    module: Module

    def __init__(self, module: Module, decay: float = 0.999) -> None:
        super().__init__()
        self.module = copy.deepcopy(module).requires_grad_(False).eval()
        self.decay = decay

    @torch.no_grad()
    def update(self, module: torch.nn.Module, step: int) -> None:
        """Moves the average towards ``module``."""
        decay = min(self.decay, (1 + step) / (10 + step))
        mine: list[torch.Tensor] = list(self.module.parameters())
        theirs: list[torch.Tensor] = list(module.parameters())
        torch._foreach_lerp_(mine, theirs, 1 - decay)
