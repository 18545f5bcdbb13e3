"""Where a row's audio lies: a file or a part of one, bytes inside a tar, a cell of a table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FilePlace:
    """An audio file, or a segment of one.

    Attributes:
        path: relative to the corpus, or absolute.
        offset: where the segment begins, in seconds.
        duration: of the segment in seconds; None: to the end.
    """

    path: str
    offset: float = 0.0
    duration: float | None = None


@dataclass(frozen=True)
class TarPlace:
    """A member of an uncompressed tar file.

    Attributes:
        path: of the tar file.
        member: its name, whose suffix tells the format.
        start: where its bytes begin.
        size: in bytes.
    """

    path: str
    member: str
    start: int
    size: int


@dataclass(frozen=True)
class CellPlace:
    """A cell of a Parquet or Arrow file: bytes, a path, or ``{bytes, path}`` as Hugging Face datasets write audio.

    Attributes:
        path: of the file.
        column: that holds audio.
        group: row group of a Parquet file; 0 in an Arrow file.
        row: in that group.
    """

    path: str
    column: str
    group: int
    row: int


Place = FilePlace | TarPlace | CellPlace
