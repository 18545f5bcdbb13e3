"""From a command line to everything that a sweep leaves behind."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from benchmarks.sweep.points import suits
from benchmarks.sweep.write import write_sweep
from codec.data.testsets.clip import Clip
from eval.reconstruction.command import Options, check_folder, measure
from eval.reconstruction.original import open_any
from eval.reconstruction.show import complain, show
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
    results, used = measure(options, _suits)
    write_sweep(results, used, open_any, output, options.reference, examples, paper)
    show(results, summarise(results, options.reference))
    complain(results)
    Console(stderr=True).print(f"open {output / 'report.html'} in a browser", highlight=False)
    return 0 if results.complete else 1


def _suits(codec: str, clip: Clip) -> bool:
    return suits(codec, clip.domain)
