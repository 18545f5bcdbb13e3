"""What an exam leaves in its folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.exam.card import Card
from benchmarks.exam.markdown import markdown
from benchmarks.exam.page import render
from benchmarks.sweep.listening import make_examples
from codec.atomic import atomic_write
from codec.baselines.interface import Reconstructor
from codec.data.testsets.clip import Clip
from eval.reconstruction.results import Results


def write_card(
    card: Card, results: Results, clips: Sequence[Clip], open_codec: Callable[[str], Reconstructor], folder: Path
) -> None:
    """Writes ``card.json``, ``card.md``, ``card.html``, and every row as ``results.parquet``.

    Args:
        card: to write.
        results: that it was made from.
        clips: of which some are heard on the page.
        open_codec: codec by name.
        folder: made if missing.

    Raises:
        CodecError: a package is missing, or the folder cannot be written.
    """
    results.write(folder)
    card.write(folder / "card.json")
    page = render(card, make_examples(results, clips, open_codec, 1 if card.quick else 2))
    for name, text in (("card.md", markdown(card)), ("card.html", page)):
        with atomic_write(folder / name) as handle:
            handle.write(text.encode())
