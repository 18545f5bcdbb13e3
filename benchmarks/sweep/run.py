"""From a command line to everything that a sweep leaves behind."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from benchmarks.sweep.points import at_rates, suits
from benchmarks.sweep.write import write_sweep
from codec.data.testsets.clip import Clip
from eval.reconstruction.command import check_folder, check_names, measure
from eval.reconstruction.original import open_any
from eval.reconstruction.show import complain, show
from eval.reconstruction.summary import summarise


def main(
    codecs: Sequence[str],
    rates: Sequence[str],
    data: str,
    output: Path,
    names: Sequence[str] | None,
    asr: str,
    clips: int | None,
    reference: str | None,
    examples: int,
    paper: bool,
    workers: int | None,
    cache: Path | None,
) -> int:
    """Measures, writes and prints.

    Returns:
        1 if a codec, a clip or a metric failed, else 0.

    Raises:
        CodecError: no codecs, no such data, metric or folder, or something is missing that all of them need.
    """
    chosen = at_rates(codecs, rates)
    check_names(chosen, reference)
    check_folder(output)
    results, used = measure(chosen, data, names, asr, clips, workers, cache, _suits)
    write_sweep(results, used, open_any, output, reference, examples, paper)
    show(results, summarise(results, reference))
    complain(results)
    Console(stderr=True).print(f"open {output / 'report.html'} in a browser", highlight=False)
    return 0 if results.complete else 1


def _suits(codec: str, clip: Clip) -> bool:
    return suits(codec, clip.domain)
