"""``codec eval``."""

from __future__ import annotations

import typer

from eval.listening.cli import app as listen
from eval.listening.cli import demo

app = typer.Typer(help="Measure a codec: how close its output is, what its tokens mean.", no_args_is_help=True)
app.add_typer(listen, name="listen")
app.command()(demo)


@app.callback()
def root() -> None:
    """Evaluation."""
