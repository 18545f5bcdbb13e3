"""``codec probe report``, beside the other commands of ``codec probe``, which measure."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from eval.semantics.cli import app


@app.command()
def report(
    results: Annotated[list[Path], typer.Argument(metavar="JSON...", help="Files of codec probe run, hear and lm.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Markdown file; plots go beside it.")],
    plots: Annotated[bool, typer.Option(help="Draw them.")] = True,
) -> None:
    """Write tables and plots of results, beside published figures."""
    from benchmarks.semantics.report import write

    write(results, output, plots)


__all__ = ["app"]
