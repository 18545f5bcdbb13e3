"""The way through a run's steps: batches in order, a progress display on terminals, speed in audio seconds per second."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from corpora.store import SAMPLE_RATE, Entry
from train.crops import Batch, Crops
from train.parallel import Place

Done = TypeVar("Done")


def heard(label: str, entries: Sequence[Entry], done: Iterable[Done]) -> Iterator[Done]:
    """Passes on what is done with each clip in turn, and shows on terminals how much audio that is, how fast, and what is left.

    Args:
        label: of the display.
        entries: all clips.
        done: as many results, as they come.
    """
    console, started, seconds = Console(stderr=True), time.monotonic(), 0.0
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[speed]}"))
    with Progress(
        *columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(label, total=sum(entry.samples for entry in entries) / SAMPLE_RATE, speed="")
        for entry, result in zip(entries, done, strict=True):
            yield result
            seconds += entry.samples / SAMPLE_RATE
            speed = seconds / max(time.monotonic() - started, 1e-9)
            bar.update(task, completed=seconds, speed=f"{speed:.0f} s audio/s")


class Steps:
    """Iterates over ``(step, batch)`` from ``start`` to ``stop``.

    Args:
        name: of the stage, for the display.
        data: where batches come from.
        start: first step.
        stop: one past the last.
        place: of this process; batches come on its device, and only the main one shows progress.

    Attributes:
        speed: audio seconds per second over the last steps, all processes together.
    """

    def __init__(self, name: str, data: Crops, start: int, stop: int, place: Place) -> None:
        self._name, self._data, self._start, self._stop, self._place = name, data, start, stop, place
        self.speed = 0.0

    def __iter__(self) -> Iterator[tuple[int, Batch]]:
        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[speed]}"))
        hidden = not (self._place.main and console.is_terminal)
        with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console, disable=hidden) as bar:
            task = bar.add_task(self._name, total=self._stop, completed=self._start, speed="")
            if self._start >= self._stop:
                return
            last = time.monotonic()
            for step, batch in self._data.stream(self._start):
                yield step, batch.to(self._place.device)
                now = time.monotonic()
                speed = batch.seconds * self._place.size / max(now - last, 1e-9)
                self.speed, last = speed if not self.speed else 0.95 * self.speed + 0.05 * speed, now
                bar.update(task, advance=1, speed=f"{self.speed:.0f} s audio/s")
                if step + 1 >= self._stop:
                    return


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Networks in bfloat16 if the config says so and the device gains; losses and quantisers stay outside.

    A processor without bfloat16 instructions emulates them, a hundred times slower than single precision.
    """
    gains = device.type != "cpu" or torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16" and gains)
