"""``codec probe``."""

from __future__ import annotations

import typer

app = typer.Typer(help="Measure how much meaning tokens and latents carry.", no_args_is_help=True)


@app.callback()
def root() -> None:
    """Probes."""
