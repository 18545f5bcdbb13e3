"""The way through a run's steps: batches in order, a progress display on terminals, speed in audio seconds per second."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

import torch
from torch import nn

from codec.data.progress import Teller, display
from train.parallel import Place


class Portion(Protocol):
    """What a step is given."""

    @property
    def seconds(self) -> float:
        """The length of the audio in s."""
        ...


Given = TypeVar("Given", bound=Portion)
Given_co = TypeVar("Given_co", bound=Portion, covariant=True)


class Source(Protocol[Given_co]):
    """Where batches come from; a batch depends on its number alone, so that a resumed run sees the same ones."""

    def stream(self, start: int, device: torch.device) -> Iterator[tuple[int, Given_co]]:
        """Numbers and batches from ``start`` on, on a device."""
        ...


class Steps(Generic[Given]):
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

    def __init__(self, name: str, data: Source[Given], start: int, stop: int, place: Place) -> None:
        self._name, self._data, self._start, self._stop, self._place = name, data, start, stop, place
        self.speed = 0.0

    def __iter__(self) -> Iterator[tuple[int, Given]]:
        with display(shown=self._place.main) as bar:
            task = bar.add_task(self._name, total=self._stop, completed=self._start, speed=0)
            if self._start >= self._stop:
                return
            tell = Teller(self._name, self._stop, self._place.main and bar.disable)
            last = time.monotonic()
            for step, batch in self._data.stream(self._start, self._place.device):
                yield step, batch
                now = time.monotonic()
                speed = batch.seconds * self._place.size / max(now - last, 1e-9)
                self.speed, last = speed if not self.speed else 0.95 * self.speed + 0.05 * speed, now
                bar.update(task, advance=1, speed=self.speed)
                tell(step + 1, f"step {step + 1} of {self._stop}", self.speed)
                if step + 1 >= self._stop:
                    return


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Networks in bfloat16 if the config says so and the device gains; losses and quantisers stay outside."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16" and gains_from_bfloat16(device))


def compile_for(device: torch.device, *networks: nn.Module) -> None:
    """Has a GPU run networks compiled from their next step on; on a processor, minutes of compiling do not repay themselves."""
    if device.type == "cuda":
        for network in networks:
            network.compile()


def gains_from_bfloat16(device: torch.device) -> bool:
    """A processor without bfloat16 instructions emulates them, a hundred times slower than single precision."""
    return device.type != "cpu" or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
