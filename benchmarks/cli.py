"""``codec bench``."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(help="Measure this machine: speed and memory.", no_args_is_help=True)


@app.callback()
def root() -> None:
    """Benchmarks."""


@app.command()
def speed(
    model: Annotated[str, typer.Option("--model", "-m")] = "default",
    threads: Annotated[int, typer.Option(help="CPU threads; 0: as many as there are.")] = 0,
    hour: Annotated[bool, typer.Option(help="Also run a one-hour file and report its peak memory.")] = True,
    json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Encode and decode speed of a 60 s clip, start-up times, and memory of a one-hour file."""
    from benchmarks.speed import main

    main(model, threads, hour, json)
