"""Rows that were measured before: one small JSON file each, so that a killed run loses nothing but what it was doing."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

from codec.atomic import atomic_write
from eval.reconstruction.results import Row


class Cache:
    """A folder of rows.

    Only whole results are kept: a clip on which the codec or a metric failed is tried again by the next run, since a missing
    program may be there by then.

    Args:
        folder: made if missing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, key: str) -> Row | None:
        """The row of a key, or None; a damaged one counts as missing."""
        try:
            return Row(**json.loads(self._path(key).read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def put(self, key: str, row: Row) -> None:
        """Keeps a row that has every value."""
        if row.error is None and not row.failed:
            path = self._path(key)
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(path) as handle:
                handle.write(json.dumps(asdict(row)).encode())

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.json"


def cache_key(*parts: str) -> str:
    """The key of everything that a row depends on.

    Example:
        >>> cache_key("ab", "c") == cache_key("a", "bc")
        False
    """
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
