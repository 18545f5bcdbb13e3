"""How far a run is, stage by stage: ``codec train status ROOT``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from codec.data.progress import span
from train.config import TrainConfig
from train.stages import STAGES, Stage

SHOWN_FIGURES = 4
LATELY = 10
"""Lines of figures that the speed is taken from."""


@dataclass(frozen=True)
class StageStatus:
    """One stage of a run.

    Attributes:
        name: of the stage.
        state: ``done``, ``step 100 of 4000``, ``begun``, ``not begun``, or why it is left out.
        seconds: that it took so far; None where nobody wrote it down.
        speed: steps a second, lately; None of a stage that takes no steps, or only one so far.
        left: seconds that it will take at that speed; None where it is done or has not begun.
        figures: last ones of a stage that takes steps.
    """

    name: str
    state: str
    seconds: float | None = None
    speed: float | None = None
    left: float | None = None
    figures: str = ""


def status(config: TrainConfig) -> Iterator[StageStatus]:
    """The status of all stages, in their order."""
    for stage in STAGES:
        yield _status(stage, config)


def table(config: TrainConfig) -> str:
    """The same as lines."""
    rows = [("stage", "state", "took", "speed", "left", "last figures"), *map(_cells, status(config))]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([str(config.root), *lines])


def _cells(stage: StageStatus) -> tuple[str, ...]:
    took, left = ("" if seconds is None else span(seconds) for seconds in (stage.seconds, stage.left))
    speed = "" if stage.speed is None else f"{stage.speed:.3g} steps/s"
    return stage.name, stage.state, took, speed, left, stage.figures


def _status(stage: Stage, config: TrainConfig) -> StageStatus:
    if why := stage.left_out(config):
        return StageStatus(stage.name, why)
    if stage.product or stage.matters:
        record = _read(Path(config.root) / f"{stage.name}.json")
        done = stage.done(config) if stage.product else "seconds" in record
        return StageStatus(stage.name, "done" if done else "begun" if record else "not begun", record.get("seconds"))
    steps = getattr(getattr(config, stage.name, None), "steps", None)
    if steps == 0:
        return StageStatus(stage.name, "left out: 0 steps")
    rows = _rows(config.folder(stage.name) / "metrics.jsonl")
    if not rows:
        return StageStatus(stage.name, "not begun")
    last, figures = rows[-1], {}
    for row in rows:
        figures.update({key: value for key, value in row.items() if key not in ("step", "seconds")})
    foremost = sorted(figures, key=lambda name: (name != "train/loss", not name.startswith("valid/")))
    shown = " ".join(f"{name} {figures[name]:g}" for name in foremost[:SHOWN_FIGURES])
    speed, done = _speed(rows), steps is not None and last["step"] >= steps
    state = "done" if done else f"step {last['step']:g} of {steps}"
    left = None if done or not speed or steps is None else (steps - last["step"]) / speed
    return StageStatus(stage.name, state, last["seconds"], speed, left, shown)


def _speed(rows: list[dict[str, float]]) -> float | None:
    """Steps a second between the last lines of figures, what they were validated in included."""
    first, last = rows[-LATELY:][0], rows[-1]
    steps, seconds = last["step"] - first["step"], last["seconds"] - first["seconds"]
    return steps / seconds if steps > 0 and seconds > 0 else None


def _read(path: Path) -> dict[str, float]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _rows(path: Path) -> list[dict[str, float]]:
    """Lines of figures; one that a full disk cut off is left out."""
    rows = []
    for line in path.read_text("utf-8").splitlines() if path.is_file() else []:
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue
    return rows
