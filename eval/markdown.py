"""Tables as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A whole table.

    Example:
        >>> print(table(["a", "b"], [["1", "2"]]))
        | a | b |
        | --- | --- |
        | 1 | 2 |
    """
    return "\n".join([*table_head(titles), *map(table_row, rows)])


def table_head(titles: Sequence[str]) -> list[str]:
    """The two lines that a table begins with."""
    return [table_row(titles), table_row(["---"] * len(titles))]


def table_row(cells: Sequence[str]) -> str:
    """A row; what stands in its cells is Markdown, too."""
    return f"| {' | '.join(cells)} |"
