"""Figures of a stage: a line of JSON each time, and TensorBoard's events beside them, with clips to be heard."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codec.atomic import atomic_write
from codec.data.store import SAMPLE_RATE
from train.specimens import picture

if TYPE_CHECKING:
    from torch import Tensor

Values = Mapping[str, float]


def grouped(group: str, values: Values) -> dict[str, float]:
    """Figures under names that TensorBoard folds: ``train/loss/pitch``, ``valid/mel/speech/100``.

    Example:
        >>> grouped("valid", {"mel/speech": 1.5})
        {'valid/mel/speech': 1.5}
    """
    return {f"{group}/{name}": value for name, value in values.items()}


class Metrics:
    """``metrics.jsonl`` and an event file in a folder.

    Args:
        folder: of both; made when the first figures come.
        start: step that a resumed run goes on from; what it had logged later is dropped.
    """

    def __init__(self, folder: Path, start: int = 0) -> None:
        self.folder, self._start = folder, start
        self._heard: set[tuple[str, str]] = set()
        if self.path.exists():
            rows = [line for line in self.path.read_text("utf-8").splitlines() if start and _step(line) <= start]
            with atomic_write(self.path) as handle:
                handle.write("".join(f"{row}\n" for row in rows).encode())

    @property
    def path(self) -> Path:
        """The path of the lines of JSON."""
        return self.folder / "metrics.jsonl"

    @cached_property
    def _board(self) -> Any:
        from torch.utils.tensorboard import SummaryWriter

        return SummaryWriter(str(self.folder), purge_step=self._start + 1 if self._start else 0)

    def log(self, step: int, seconds: float, values: Values) -> None:
        """Appends figures to both files, and prints them."""
        for name, value in values.items():
            self._board.add_scalar(name, value, step)
        self._board.flush()
        row = {"step": step, "seconds": round(seconds, 1)} | {k: round(float(v), 6) for k, v in values.items()}
        with self.path.open("a", encoding="utf-8") as handle:
            handle.write(json.dumps(row) + "\n")
        print(" ".join(f"{k} {v:g}" for k, v in row.items()), flush=True)

    def show(self, step: int, clips: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Clips as TensorBoard's audio and pictures; originals, which stay the same, are heard once in a run.

        Args:
            step: that the model has got to.
            clips: by domain, as `Specimens` has them; a picture has the versions of a clip from above in their order.
        """
        for domain, versions in clips.items():
            for name, wave in versions.items():
                if (domain, name) not in self._heard:
                    self._board.add_audio(f"{domain}/{name}", wave.detach().float().cpu().clamp(-1, 1), step, SAMPLE_RATE)
            self._heard |= {(domain, "original")}
            drawn = picture(list(versions.values()), SAMPLE_RATE)
            self._board.add_image(f"{domain}/{', '.join(versions)}", drawn, step, dataformats="HWC")
        self._board.flush()

    def close(self) -> None:
        """Ends TensorBoard's event file."""
        if "_board" in self.__dict__:
            self._board.close()


def _step(row: str) -> float:
    """The step of a line of metrics; a line that a full disk cut off comes after all others."""
    try:
        return float(json.loads(row)["step"])
    except json.JSONDecodeError:
        return float("inf")
