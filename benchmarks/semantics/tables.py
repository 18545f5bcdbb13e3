"""Markdown, and how embedders are called in it."""

from __future__ import annotations

from collections.abc import Sequence

from eval.semantics.scores import Score

OURS = "semcodec@"
"""How the names of our codec's tokens begin."""
MARK = "\\*"
"""Of random weights."""


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table.

    Example:
        >>> print(table(["a", "b"], [["1", "2"]]))
        | a | b |
        | --- | --- |
        | 1 | 2 |
    """
    return "\n".join(f"| {' | '.join(row)} |" for row in [header, ["---"] * len(header), *rows])


def label(score: Score) -> str:
    """An embedder's name, random weights with a mark; bold is left to what is best."""
    return score.embedder if score.trained else f"{score.embedder}{MARK}"
