"""``codec eval``."""

from __future__ import annotations

import typer

app = typer.Typer(help="Measure a codec: how close its output is, what its tokens mean.", no_args_is_help=True)


@app.callback()
def root() -> None:
    """Evaluation."""
