"""A JSONL manifest: one recording, or segment of one, a line."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from codec.data.recordings.places import FilePlace
from codec.data.recordings.rows import Row
from codec.errors import CodecError

AUDIO = ("audio", "audio_filepath", "path")
"""Names that the audio's path goes by, the first that is there counts."""


def manifest_rows(manifest: Path) -> Iterator[Row]:
    """Rows of a manifest; paths are relative to its folder.

    ``key`` names the row, else its audio's path does (with the segment's offset). ``offset`` makes it a segment, of
    ``duration`` seconds or to the end; without ``offset``, ``duration`` is a remark like any other field, and all are kept.
    """
    try:
        with manifest.open(encoding="utf-8-sig", errors="replace") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield _row(f"{manifest.name}:{number}", line)
    except OSError as error:
        raise CodecError(f"{manifest}: {error.strerror}") from error


def _row(source: str, line: str) -> Row:
    try:
        fields = json.loads(line, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        return Row(source, source, problem=f"not JSON ({error})")
    if not isinstance(fields, dict):
        return Row(source, source, problem="not a JSON object")
    path = next((fields[name] for name in AUDIO if name in fields), None)
    if not isinstance(path, str) or not path or "\0" in path:
        return Row(source, source, problem=f"names no audio; expected is one of {', '.join(AUDIO)}")
    offset, duration = fields.get("offset"), fields.get("duration")
    key = fields.get("key", path if offset is None else f"{path}@{offset}")
    key = str(key) if isinstance(key, str | int) else ""
    if offset is None:
        return Row(key, source, FilePlace(path), fields)
    if not _is_time(offset) or not (duration is None or _is_time(duration)):
        return Row(key, source, problem="offset and duration are not seconds")
    return Row(key, source, FilePlace(path, float(offset), None if duration is None else float(duration)), fields)


def _no_number(name: str) -> None:
    """NaN and infinity are no JSON: null."""


def _is_time(value: Any) -> bool:
    # The upper bound keeps a hostile number from overflowing a count of samples.
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and 0 <= value < 1e9
