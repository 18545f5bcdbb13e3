"""How far a run is, stage by stage: ``codec train status ROOT``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from train.config import TrainConfig
from train.stages import STAGES, Stage

SHOWN_FIGURES = 4


@dataclass(frozen=True)
class StageStatus:
    """One stage of a run.

    Attributes:
        name: of the stage.
        state: ``done``, ``step 100 of 4000``, ``begun``, ``not begun``, or why it is left out.
        seconds: that it took so far; None where nobody wrote it down.
        figures: last ones of a stage that takes steps.
    """

    name: str
    state: str
    seconds: float | None = None
    figures: str = ""


def status(config: TrainConfig) -> Iterator[StageStatus]:
    """Of all stages, in their order."""
    for stage in STAGES:
        yield _status(stage, config)


def table(config: TrainConfig) -> str:
    """The same as lines."""
    rows = [(each.name, each.state, _time(each.seconds), each.figures) for each in status(config)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([str(config.root), *lines])


def _status(stage: Stage, config: TrainConfig) -> StageStatus:
    if stage.name in config.given:
        return StageStatus(stage.name, f"comes with {config.init}")
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
    shown = " ".join(f"{key} {value:g}" for key, value in list(figures.items())[:SHOWN_FIGURES])
    state = "done" if last["step"] == steps else f"step {last['step']:g} of {steps}"
    return StageStatus(stage.name, state, last["seconds"], shown)


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


def _time(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds / 60:.1f} min"
