"""Runs a sweep: from a command line to everything that a sweep leaves behind."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from benchmarks.sweep.points import suits
from benchmarks.sweep.write import write_sweep
from codec.data.testsets.clip import Clip
from eval.reconstruction.command import Options, check_folder, measure
from eval.reconstruction.compact import print_compact, print_problems
from eval.reconstruction.original import open_any
from eval.reconstruction.summary import summarise


def main(options: Options, output: Path, examples: int, paper: bool) -> int:
    """Measures, writes and prints.

    Args:
        options: what to measure.
        output: folder for tables, plots and the report.
        examples: clips of each domain to listen to.
        paper: draw in the SemantiCodec paper's figures.

    Returns:
        1 if a codec, a clip or a metric failed, else 0.

    Raises:
        CodecError: no such data, metric or folder, or something is missing that all of them need.
    """
    check_folder(output)
    console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    results, used = measure(options, _suits, console.print)
    write_sweep(results, used, open_any, output, options.reference, examples, paper)
    print_compact(results, summarise(results, options.reference))
    print_problems(results, str(output / "tables.md"))
    console.print(f"all figures, with intervals: {output / 'tables.md'}; to see and hear: {output / 'report.html'}")
    return 0 if results.complete else 1


def _suits(codec: str, clip: Clip) -> bool:
    return suits(codec, clip.domain)
