"""Lists that publishers ship beside their audio; a damaged one is named in one line."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from codec.errors import CodecError


def read_json(path: Path) -> Any:
    """Content of a JSON file.

    Raises:
        CodecError: it is not JSON.
    """
    try:
        return json.loads(path.read_text("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise CodecError(f"{path}: not JSON ({error})") from error


def read_records(path: Path, name: str, keys: Sequence[str]) -> list[dict[str, Any]] | None:
    """Objects in the list ``name`` of a JSON file, each with texts or numbers under ``keys``; None without such a list.

    Raises:
        CodecError: it is not JSON, or there is something else in the list.
    """
    whole = read_json(path)
    records = whole.get(name) if isinstance(whole, dict) else None
    if not isinstance(records, list):
        return None
    for number, record in enumerate(records):
        if not isinstance(record, dict) or not all(isinstance(record.get(key), (str, int)) for key in keys):
            raise CodecError(f"{path}: {name}[{number}] lacks {' or '.join(keys)}")
    return records


def read_rows(path: Path) -> list[list[str]]:
    """Rows of a CSV file without those that begin with ``#``.

    Raises:
        CodecError: it is no text, or not CSV.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(csv.reader((line for line in file if not line.startswith("#")), skipinitialspace=True))
    except (ValueError, csv.Error) as error:
        raise CodecError(f"{path}: not CSV ({error})") from error
