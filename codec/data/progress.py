"""What terminals show of work on audio: how much is done, at how many seconds of audio a second, and the time that is left."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

Item = TypeVar("Item")
TELL_EVERY = 30.0
"""Seconds between lines where there is no terminal."""


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


class Teller:
    """Says every half minute, where no display does, how far work is and how long it will take.

    Args:
        label: of the work.
        total: amount of it, where it is known.
        shown: whether to say anything.
    """

    def __init__(self, label: str, total: float | None, shown: bool) -> None:
        self._label, self._total, self._shown = label, total, shown
        self._first: tuple[float, float] | None = None
        self._last = time.monotonic()

    def __call__(self, done: float, how_far: str, speed: float) -> None:
        """Says it if it is time to.

        Args:
            done: amount of work.
            how_far: the same in words.
            speed: seconds of audio a second.
        """
        now = time.monotonic()
        if self._first is None:
            self._first = now, done
        if not self._shown or now - self._last < TELL_EVERY:
            return
        self._last = now
        began, before = self._first
        left = ""
        if self._total is not None and done > before:
            left = f", {span((self._total - done) * (now - began) / (done - before))} left"
        print(f"{self._label}: {how_far}, {speed:.0f} s audio/s{left}", file=sys.stderr, flush=True)


def span(seconds: float) -> str:
    """A time in words.

    Example:
        >>> span(59), span(600), span(7260)
        ('59 s', '10 min', '2 h 1 min')
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


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
        tell = Teller(label, total, bar.disable)
        for item in items:
            yield item
            done += seconds(item)
            speed = done / max(time.monotonic() - started, 1e-9)
            bar.update(task, completed=done, speed=speed)
            tell(done, f"{done / 3600:.2f} h of audio", speed)
