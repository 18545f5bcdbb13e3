"""How far a command is: percent of the audio, how many times real time, and what time is left."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TaskProgressColumn, TextColumn
from rich.progress import TimeRemainingColumn as TimeLeft
from rich.text import Text

MEASURED = 200
"""Files whose lengths are looked up before work begins; of more, files are counted and not their seconds."""


class _Speed(ProgressColumn):
    """Seconds of audio a second of work, once there is something to divide."""

    def render(self, task: Task) -> Text:
        """Renders the speed of the last half minute."""
        return Text(f"{task.speed:.0f}× real time" if task.speed and task.fields["by_seconds"] else "")


class AudioBar:
    """A bar over files: by seconds of audio where the lengths of all of them are known, else by files.

    Args:
        verb: what is done.
        seconds: of every file, None where nobody knows.
        console: that it is drawn on.
        silent: draw nothing.
    """

    def __init__(self, verb: str, seconds: Sequence[float | None], console: Console, silent: bool = False) -> None:
        known = [length for length in seconds if length]
        self._by_seconds = bool(known) and len(known) == len(seconds)
        self._files, self._done, self._heard = len(seconds), 0, 0.0
        columns = (
            *(SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=20), TaskProgressColumn()),
            *(TextColumn("{task.fields[told]}"), _Speed(), TimeLeft(compact=True)),
        )
        self.progress = Progress(*columns, console=console, transient=True, disable=silent, speed_estimate_period=30)
        total = sum(known) if self._by_seconds else len(seconds)
        self._task = self.progress.add_task(verb, total=total, told=self._told(), by_seconds=self._by_seconds)

    def _told(self) -> str:
        files = f"{self._done}/{self._files} files " if self._files > 1 else ""
        return f"{files}{_clock(self._heard)}"

    def hear(self, seconds: float) -> None:
        """Tells the bar how much more audio is done."""
        self._heard += seconds
        self.progress.update(self._task, told=self._told(), advance=seconds if self._by_seconds else 0)

    def finish_file(self) -> None:
        """One more file is done with, well or not."""
        self._done += 1
        self.progress.update(self._task, told=self._told(), advance=0 if self._by_seconds else 1)


def _clock(seconds: float) -> str:
    """Minutes and seconds of audio.

    Example:
        >>> _clock(3725.4)
        '62:05'
    """
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def lengths(files: Sequence[str], of: Callable[[str], float | None]) -> list[float | None]:
    """The length of every file, or None for all of them where there are many."""
    return [of(file) for file in files] if len(files) <= MEASURED else [None] * len(files)


def seconds_of_audio(file: str) -> float | None:
    """The length that a file's header tells, in s; None if libsndfile cannot read it."""
    import soundfile

    try:
        return float(soundfile.info(file).duration) if Path(file).is_file() else None
    except (soundfile.SoundFileError, OSError):
        return None


def seconds_of_tokens(file: str) -> float | None:
    """The length that a container declares, in s, over all channels; None if it is no container."""
    from codec.container.length import declared_seconds

    return declared_seconds(file)
