"""Cells of Parquet and Arrow files; rows of a corpus are read in order, so one row group is kept."""

from __future__ import annotations

import os
from functools import lru_cache
from types import ModuleType
from typing import TYPE_CHECKING, Any

from codec.data.recordings.places import CellPlace
from codec.errors import AudioError, CodecError

if TYPE_CHECKING:
    import pyarrow


def need_pyarrow() -> ModuleType:
    """The ``pyarrow`` package.

    Raises:
        CodecError: it is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet  # a submodule that must be imported to be there
    except ImportError as error:
        raise CodecError(f"Parquet and Arrow files need {error.name}: pip install 'semcodec[tokenize]'") from error
    return pyarrow


def open_arrow(path: str) -> pyarrow.Table:
    """A memory-mapped table, of the stream or the file format."""
    arrow = need_pyarrow()
    source = arrow.memory_map(path)
    try:
        table = arrow.ipc.open_stream(source).read_all()
    except arrow.ArrowInvalid:
        table = arrow.ipc.open_file(source).read_all()
    # Arrow believes the lengths in a file, and a cell of negative length ends the process. Audio itself is not looked at.
    table.validate(full=True)
    return table


def read_cell(root: str, place: CellPlace) -> tuple[bytes | None, str]:
    """The bytes of a cell, or None, and the name that it gives them (a path if there are no bytes, or only text).

    Raises:
        AudioError: the cell is empty, or no audio.
    """
    value: Any = _group(os.path.join(root, place.path), place.column, place.group)[place.row].as_py()
    if isinstance(value, dict):
        data, name = value.get("bytes"), value.get("path")
    else:
        data, name = value, value
    if isinstance(data, bytes):
        return data, name if isinstance(name, str) else ""
    if isinstance(name, str) and name:
        return None, name
    raise AudioError("the cell holds no audio")


@lru_cache(maxsize=1)
def _group(path: str, column: str, group: int) -> pyarrow.ChunkedArray:
    arrow = need_pyarrow()
    if path.endswith(".arrow"):
        return open_arrow(path)[column]
    with arrow.parquet.ParquetFile(path) as file:
        return file.read_row_group(group, columns=[column])[column]
