"""A training run on disk: resolved config, metrics, checkpoints that survive a kill at any moment."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import torch

from codec.atomic import atomic_write
from codec.config import Config
from codec.errors import CodecError

LOG_EVERY = 100
"""Steps between lines of metrics."""


def due(step: int, steps: int) -> bool:
    """Whether a step's losses are logged: every `LOG_EVERY`-th, and the first and last, so that runs can be compared."""
    return (step + 1) % LOG_EVERY == 0 or step in (0, steps - 1)


Values = Mapping[str, float]


class Plan(Protocol):
    """What a stage's config says of its steps."""

    @property
    def steps(self) -> int: ...
    @property
    def save_every(self) -> int: ...


class Stateful(Protocol):
    """What a checkpoint can hold: modules, optimisers, averages."""

    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any]) -> Any: ...


class Run:
    """A folder with ``config.json``, ``metrics.jsonl`` and ``checkpoint.pt``.

    Args:
        folder: created if missing; resumed if it holds a checkpoint.
        config: saved on the first start; a resume with another one is refused.
        parts: everything whose state must come back, by name.
        matters: sections of the config that must be the same when a run is resumed.
        main: whether this process writes; the others only read.

    Raises:
        CodecError: the folder belongs to a run with another config.
    """

    def __init__(
        self, folder: str | Path, config: Config, parts: dict[str, Stateful], matters: tuple[str, ...], main: bool = True
    ) -> None:
        self.folder, self.parts, self.main = Path(folder), parts, main
        self.folder.mkdir(parents=True, exist_ok=True)
        self.started = time.monotonic()
        self.seconds_before, self.resumed = 0.0, 0
        saved = self.folder / "config.json"
        mine = config.model_dump(mode="json")
        if saved.exists():
            theirs = json.loads(saved.read_text())["config"]
            changed = [name for name in matters if mine[name] != theirs.get(name)]
            if changed:
                raise CodecError(
                    f"{folder}: holds a run with another config ({', '.join(changed)} differ); choose another root or delete it"
                )
        elif main:
            saved.write_text(json.dumps({"config": mine, "revision": revision()}, indent=1))

    @property
    def checkpoint(self) -> Path:
        """Path of the latest checkpoint."""
        return self.folder / "checkpoint.pt"

    @property
    def metrics(self) -> Path:
        """Path of the metrics, one JSON object a line."""
        return self.folder / "metrics.jsonl"

    def resume(self) -> int:
        """Loads the latest checkpoint if there is one; returns the step to go on from. Metrics of later steps are dropped.

        Raises:
            CodecError: the checkpoint holds other parts, as those of an older version do.
        """
        if self.checkpoint.exists():
            state = torch.load(self.checkpoint, map_location="cpu", weights_only=True)
            if state["parts"].keys() != self.parts.keys():
                raise CodecError(f"{self.checkpoint}: of another version of this stage; take another root, or delete it")
            for name, part in self.parts.items():
                part.load_state_dict(state["parts"][name])
            self.seconds_before = state["seconds"]
            self.resumed = int(state["step"])
        if self.main and self.metrics.exists():
            rows = [line for line in self.metrics.read_text().splitlines() if self.resumed and _step(line) <= self.resumed]
            with atomic_write(self.metrics) as handle:
                handle.write("".join(f"{row}\n" for row in rows).encode())
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

    @cached_property
    def _board(self) -> Any:
        from torch.utils.tensorboard import SummaryWriter

        return SummaryWriter(str(self.folder), purge_step=self.resumed + 1 if self.resumed else 0)

    @property
    def seconds(self) -> float:
        """Wall seconds spent on this run, over all its starts."""
        return self.seconds_before + time.monotonic() - self.started

    def log(self, step: int, values: Values) -> None:
        """Appends a line to ``metrics.jsonl``, to TensorBoard's event file, and prints it."""
        if not self.main:
            return
        for name, value in values.items():
            self._board.add_scalar(name, value, step)
        self._board.flush()
        row = {"step": step, "seconds": round(self.seconds, 1)} | {k: round(float(v), 6) for k, v in values.items()}
        with self.metrics.open("a") as handle:
            handle.write(json.dumps(row) + "\n")
        print(" ".join(f"{k} {v:g}" for k, v in row.items()), flush=True)

    def after(self, step: int, stage: Plan, losses: Callable[[], Values], figures: Callable[[], Values]) -> None:
        """Logs and saves what is due when a step is done.

        Args:
            step: number of the step.
            stage: says how many steps there are and how often to save.
            losses: of recent steps; asked for in all processes.
            figures: of validation, before each checkpoint; empty without held-out clips.
        """
        if due(step, stage.steps):
            self.log(step + 1, losses())
        if (step + 1) % stage.save_every == 0 or step + 1 == stage.steps:
            if found := figures():
                self.log(step + 1, found)
            self.save(step + 1)

    def close(self) -> Path:
        """Ends TensorBoard's event file; returns the run's folder."""
        if "_board" in self.__dict__:
            self._board.close()
        return self.folder


def _step(row: str) -> float:
    """Of a line of metrics; one that a full disk cut off comes after all others."""
    try:
        return float(json.loads(row)["step"])
    except json.JSONDecodeError:
        return float("inf")


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


def cosine(step: int, steps: int, peak: float, warmup: int = 200, floor: float = 0.02) -> float:
    """Learning rate with a linear warm-up and a half cosine down to ``floor · peak``."""
    import math

    if step < warmup:
        return peak * (step + 1) / warmup
    progress = min(1.0, (step - warmup) / max(1, steps - warmup))
    return peak * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress)))


class Average(torch.nn.Module):
    """Exponential moving average of a module's weights.

    Args:
        module: the one that is trained.
        decay: per step; ramps up from 0 so that the start is forgotten.
    """

    def __init__(self, module: torch.nn.Module, decay: float = 0.999) -> None:
        super().__init__()
        import copy

        self.module = copy.deepcopy(module).requires_grad_(False).eval()
        self.decay = decay

    @torch.no_grad()
    def update(self, module: torch.nn.Module, step: int) -> None:
        """Moves the average towards ``module``."""
        decay = min(self.decay, (1 + step) / (10 + step))
        mine, theirs = list(self.module.parameters()), list(module.parameters())
        torch._foreach_lerp_(mine, theirs, 1 - decay)


def revision() -> str:
    """Git's name of this code, or ``unknown``."""
    try:
        found = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, cwd=Path(__file__).parent)
        return found.stdout.strip() or "unknown"
    except OSError:
        return "unknown"
