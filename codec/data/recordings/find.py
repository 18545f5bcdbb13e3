"""Which kind of corpus something is, and its rows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from codec.audio.folders import names_below
from codec.audio.io import AUDIO_SUFFIXES
from codec.data.recordings.folder import folder_rows
from codec.data.recordings.huggingface import huggingface_rows
from codec.data.recordings.manifest import manifest_rows
from codec.data.recordings.rows import Row
from codec.data.recordings.webdataset import webdataset_rows
from codec.errors import CodecError

KINDS = {
    "folder": folder_rows,
    "manifest": manifest_rows,
    "webdataset": webdataset_rows,
    "huggingface": huggingface_rows,
}
_HUGGINGFACE = ("dataset_dict.json", "state.json")
_SUFFIXES = {".jsonl": "manifest", ".tar": "webdataset", ".parquet": "huggingface", ".arrow": "huggingface"}
_TABLES = frozenset({".tar", ".parquet"})
"""What tells a folder of tables or shards from one of audio files."""


def read_source(source: Path, kind: str | None = None) -> tuple[str, list[Row]]:
    """Everything that a corpus holds, in an order that does not change from run to run.

    Args:
        source: folder, ``.jsonl``, ``.tar``, ``.parquet`` or ``.arrow``.
        kind: of `KINDS`; None: told from what is there.

    Returns:
        The absolute folder that the rows' places are relative to, and the rows. A row whose key an earlier one has is a
        failure; so is one without a key.

    Raises:
        CodecError: no such corpus, or nothing usable in it.
    """
    if not source.exists():
        raise CodecError(f"{source}: no such file or folder")
    if kind is not None and kind not in KINDS:
        raise CodecError(f"kind {kind!r} is not one of {', '.join(KINDS)}")
    root = source if source.is_dir() else source.parent
    rows = list(_checked(KINDS[kind or _guess(source)](source)))
    if all(row.problem for row in rows):
        raise CodecError(f"{source}: no usable rows ({rows[0].problem})" if rows else f"{source}: no rows")
    return os.path.abspath(root), rows


def _guess(source: Path) -> str:
    if source.is_file():
        if source.suffix.lower() not in _SUFFIXES:
            raise CodecError(f"{source}: not a folder, nor a file of {' '.join(_SUFFIXES)}")
        return _SUFFIXES[source.suffix.lower()]
    if any((source / name).is_file() for name in _HUGGINGFACE):
        return "huggingface"
    found = set()
    for name in names_below(source, AUDIO_SUFFIXES | _TABLES):
        found.add(_SUFFIXES.get(os.path.splitext(name)[1].lower(), "folder"))
    if not found:
        raise CodecError(f"{source}: no audio files, .tar shards or .parquet files below this folder")
    if len(found) > 1:
        raise CodecError(f"{source}: looks like {' and '.join(sorted(found))}; say which with --kind")
    return found.pop()


def _checked(rows: Iterator[Row]) -> Iterator[Row]:
    taken: dict[str, int] = {}
    for number, row in enumerate(rows, 1):
        if row.problem is None and not _is_key(row.key):
            yield replace(row, key=row.source, place=None, problem="no key that is text")
        elif row.problem is None and row.key in taken:
            yield replace(row, place=None, problem=f"duplicate key: row {taken[row.key]} has it, this is row {number}")
        else:
            if row.problem is None:
                taken[row.key] = number
            yield row


def _is_key(key: str) -> bool:
    try:
        return bool(key.encode())  # a file's name need not be Unicode, and JSON can spell half a character
    except UnicodeEncodeError:
        return False
