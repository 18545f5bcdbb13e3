"""``codec models``."""

from __future__ import annotations

import dataclasses
import json as jsonlib
import re
import textwrap
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from codec.baselines.fetch import Fetched


def show_models(json: bool) -> None:
    """Prints the codecs that can be named: models that `codec.load` takes, then programs."""
    from codec.baselines import known_codecs
    from codec.hub import ModelEntry, models

    others = [codec for codec in known_codecs() if not codec.tokens]
    entries = [*models(), *(ModelEntry(codec.example, codec.about, codec.ready, codec.missing) for codec in others)]
    if json:
        for entry in entries:
            print(jsonlib.dumps(dataclasses.asdict(entry)))
        return
    console = Console(highlight=False, markup=False, soft_wrap=True)  # nothing is broken that somebody copies
    for ready, heading in ((True, "Here:"), (False, "Not here yet:")):
        chosen = [entry for entry in entries if entry.ready is ready]
        if chosen:
            console.print(heading, style="bold")
        for entry in chosen:
            console.print(f"  {entry.name}", style="bold" if ready else None)
            command = _COMMAND.search(entry.missing)
            for line in _folded(entry.about if command or ready else entry.missing):
                console.print(f"      {line}", style="dim")
            if command:
                console.print(f"      {command[0]}")


_COMMAND = re.compile(
    r"codec models --fetch [\w./@=-]+|pip install (?:'[^']+'|[\w.=-]+)|apt-get install [\w.+-]+(?: [\w.+-]+)*"
)
"""In a sentence about what is missing; ``--json`` has all of the sentence."""


def _folded(line: str) -> list[str]:
    """Within the 80 columns that every terminal has."""
    return textwrap.wrap(line, 72, break_long_words=False, break_on_hyphens=False)


def fetch_weights(name: str, json: bool) -> None:
    """Downloads the weights of a published codec and prints where they lie.

    Raises:
        CodecError: unknown, unreachable, broken off or damaged.
    """
    from codec.baselines.fetch import Progress as Told
    from codec.baselines.fetch import fetch
    from codec.semanticodec.download import fetch_published, is_fetchable

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:

        def progress(file: str) -> Told:
            task = bar.add_task(file, total=None)
            return lambda have, total: bar.update(task, completed=have, total=total)

        if is_fetchable(name):
            for done in fetch_published(name, progress):
                _print(done, json)
        else:
            family = name.partition("@")[0]
            _print(fetch(family, progress(family)), json)


def _print(done: Fetched, json: bool) -> None:
    if json:
        print(jsonlib.dumps(dataclasses.asdict(done) | {"path": str(done.path)}), flush=True)
        return
    trust = "as its publisher states" if done.pinned else "trusted on first use and recorded beside the file"
    print(f"{done.path} {'fetched' if done.new else 'already here'}; sha256 {done.sha256}, {trust}", flush=True)
