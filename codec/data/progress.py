"""What terminals show of work on audio: how much is done, at how many seconds of audio a second, and the time that is left."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

Item = TypeVar("Item")


def display(shown: bool = True) -> Progress:
    """A progress display on standard error, if that is a terminal. Tasks need a field ``speed``, seconds of audio a second."""
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]:.0f} s audio/s"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        redirect_stdout=sys.stdout.isatty(),  # lines for a file are not for the terminal
        disable=not (shown and console.is_terminal),
    )


def heard(label: str, items: Iterable[Item], seconds: Callable[[Item], float], total: float | None = None) -> Iterator[Item]:
    """Passes on items that stand for audio, and shows how far they are.

    Args:
        label: of the display.
        items: as they are done.
        seconds: of audio, of an item.
        total: seconds of all items, where they are known.
    """
    started, done = time.monotonic(), 0.0
    with display() as bar:
        task = bar.add_task(label, total=total, speed=0)
        for item in items:
            yield item
            done += seconds(item)
            bar.update(task, completed=done, speed=done / max(time.monotonic() - started, 1e-9))
