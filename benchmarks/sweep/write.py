"""Everything that a sweep leaves in its folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.sweep.listening import make_examples, write_sheets
from benchmarks.sweep.plots import draw_all
from benchmarks.sweep.report import render
from benchmarks.sweep.tables import build_differences, build_tables, build_usage, markdown
from codec.atomic import atomic_write
from codec.baselines.interface import Reconstructor
from codec.data.testsets.clip import Clip
from eval.reconstruction.results import Results
from eval.reconstruction.show import problems, worth
from eval.reconstruction.summary import summarise


def write_sweep(
    results: Results,
    clips: Sequence[Clip],
    open_codec: Callable[[str], Reconstructor],
    folder: Path,
    reference: str | None = None,
    examples: int = 2,
    paper: bool = False,
) -> None:
    """Writes ``results.*``, ``tables.md``, ``plots/``, ``overview.*``, ``sheets/`` and ``report.html``.

    Args:
        results: of a run.
        clips: of the run, from which the examples are taken.
        open_codec: codec by name.
        folder: made if missing.
        reference: codec to which paired differences are taken.
        examples: a domain to listen to and to see.
        paper: whether to draw in what the paper published.

    Raises:
        CodecError: a package is missing, or the folder cannot be written.
    """
    results.write(folder)
    summaries = summarise(results, reference)
    tables = build_tables(results, summaries)
    differences = build_differences(results, summaries, reference) if reference else []
    used = build_usage(results, summaries)
    plots = draw_all(results, summaries, folder, paper)
    heard = make_examples(results, clips, open_codec, examples)
    write_sheets(heard, folder)
    overview = folder / "overview.svg"
    page = render(results, overview.read_text("utf-8") if plots else None, plots, tables, differences, used, heard, paper)
    _write(folder / "report.html", page)
    failed, marked = ("".join(f"- {line}\n" for line in lines) for lines in (problems(results), worth(results)))
    parts = [markdown(tables), *([marked] if marked else [])]
    parts += [f"## Paired differences\n\n{markdown(differences)}"] if differences else []
    parts += [f"## Use of codebooks\n\n{markdown(used)}"] if used else []
    parts += [f"## What failed\n\n{failed}"] if failed else []
    _write(folder / "tables.md", "\n".join(parts))


def _write(path: Path, text: str) -> None:
    with atomic_write(path) as handle:
        handle.write(text.encode())
