"""The files that a shard was made from, so that those that were replaced since then are found."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from codec.data.recordings.places import Place
from codec.provenance import sha256_of

Stamp = tuple[int, int, str]
"""Of a file: its size in bytes, when it was written in nanoseconds, and the SHA-256 of its content."""


def stamps(root: str, places: Iterable[Place]) -> dict[str, Stamp]:
    """Of all files that some rows lie in, by their paths; those that cannot be read have none.

    Args:
        root: folder that places are relative to.
        places: of rows.
    """
    found = {}
    for path in dict.fromkeys(place.path for place in places):
        try:
            about = os.stat(os.path.join(root, path))
            found[path] = (about.st_size, about.st_mtime_ns, sha256_of(Path(root, path)))
        except OSError:
            continue
    return found


def replaced(root: str, before: Mapping[str, Stamp]) -> list[str]:
    """Paths whose files hold something else now. A copy of the same content is none of them, nor is a file that is gone.

    Args:
        root: folder that paths are relative to.
        before: what `stamps` said of them.
    """
    return [path for path, stamp in before.items() if _is_replaced(root, path, stamp)]


def _is_replaced(root: str, path: str, before: Stamp) -> bool:
    size, modified, digest = before
    try:
        now = os.stat(os.path.join(root, path))
        return now.st_size != size or (now.st_mtime_ns != modified and sha256_of(Path(root, path)) != digest)
    except OSError:
        return False
