"""Hugging Face audio datasets as they lie on disk: Parquet files, or folders that ``save_to_disk`` wrote.

They are read with pyarrow alone: audio stays as the bytes that were stored, for our own decoders.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from codec.audio.folders import paths_below
from codec.data.recordings.cells import need_pyarrow, open_arrow
from codec.data.recordings.places import CellPlace
from codec.data.recordings.rows import Row
from codec.errors import CodecError, one_line

KEYS = ("key", "id")


def huggingface_rows(source: Path) -> Iterator[Row]:
    """Rows of one file, or of all below a folder, by name.

    Keys are the column ``key`` or ``id``, else file and row. Other columns become metadata, as far as JSON can hold them.
    """
    arrow = need_pyarrow()
    root = source if source.is_dir() else source.parent
    for path in _files(source) if source.is_dir() else [source]:
        name = path.relative_to(root).as_posix()
        try:
            yield from _arrow_rows(path, name) if path.suffix.lower() == ".arrow" else _parquet_rows(path, name)
        except CodecError as error:
            yield Row(name, name, problem=str(error))
        except (arrow.ArrowException, OSError, ValueError, OverflowError) as error:
            # The two last: text that is not Unicode, times that no calendar holds.
            yield Row(name, name, problem=one_line(f"not a readable table ({error})"))


def _files(folder: Path) -> list[Path]:
    saved = sorted(folder.rglob("state.json"))
    if not saved:
        return paths_below(folder, frozenset({".parquet", ".arrow"}))
    try:
        # Other .arrow files beside those are caches. Names lead nowhere else: only their last part counts.
        return [
            path.parent / Path(file["filename"]).name
            for path in saved
            for file in json.loads(path.read_text("utf-8-sig"))["_data_files"]
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CodecError(f"{folder}: not a saved dataset ({type(error).__name__}: {error})") from error


def _parquet_rows(path: Path, name: str) -> Iterator[Row]:
    with need_pyarrow().parquet.ParquetFile(path) as file:
        column = _audio_column(file.schema_arrow, name)
        others = [field for field in file.schema_arrow.names if field != column]
        first = 0
        for group in range(file.num_row_groups):
            count = file.metadata.row_group(group).num_rows
            table = file.read_row_group(group, columns=others).to_pylist() if others else [{}] * count
            for row, fields in enumerate(table):
                yield _row(name, first + row, CellPlace(name, column, group, row), fields)
            first += count


def _arrow_rows(path: Path, name: str) -> Iterator[Row]:
    table = open_arrow(str(path))
    column = _audio_column(table.schema, name)
    others = table.drop_columns([column])
    for row in range(table.num_rows):
        fields = {field: others[field][row].as_py() for field in others.column_names}
        yield _row(name, row, CellPlace(name, column, 0, row), fields)


def _row(name: str, number: int, place: CellPlace, fields: dict[str, Any]) -> Row:
    given = next((fields[key] for key in KEYS if key in fields), f"{name}:{number}")
    key = str(given) if isinstance(given, str | int) else ""
    kept = {field: value for field, value in fields.items() if _is_json(value)}
    return Row(key, f"{name}:{number}", place, kept)


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True


def _features(metadata: bytes) -> dict[str, Any]:
    """What the library that wrote a file says of its columns; nothing where it says nothing that can be read."""
    try:
        features = json.loads(metadata)["info"]["features"]
    except (ValueError, RecursionError, KeyError, TypeError, IndexError):
        return {}
    return features if isinstance(features, dict) else {}


def _audio_column(schema: Any, name: str) -> str:
    """The column that features declare as audio, else the one named so, else the only one of ``{bytes, path}``."""
    declared = _features((schema.metadata or {}).get(b"huggingface", b"{}"))
    audio = [field for field, about in declared.items() if isinstance(about, dict) and about.get("_type") == "Audio"]
    if not audio and "audio" in schema.names:
        audio = ["audio"]
    if not audio:
        types = need_pyarrow().types
        audio = [f.name for f in schema if types.is_struct(f.type) and f.type.get_field_index("bytes") >= 0]
    if len(audio) != 1 or audio[0] not in schema.names:
        raise CodecError(f"{name}: {len(audio)} columns of audio among {', '.join(schema.names)}, one is needed")
    return audio[0]
