"""A feature cache while it is filled, part by part in order: what a killed start has done is not done again."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np

from codec.atomic import atomic_write
from train.crops import create_features, finish_features

FLUSH_SECONDS = 30
Part = TypeVar("Part")


class Filling:
    """The rows of a cache, and how many parts of it are done.

    Args:
        folder: of the cache.
        frames: rows.
        width: of a row.
        origin: what the rows are made from. What another origin left is begun anew.

    Attributes:
        features: ``(frames, width)`` float16, on the disk.
        done: parts that earlier starts have filled.

    Raises:
        CodecError: not enough room, or nothing to cache.
    """

    def __init__(self, folder: Path, frames: int, width: int, **origin: str) -> None:
        self._folder, self._origin = folder, {"frames": frames, "width": width, **origin}
        self._bytes = 2 * frames * width
        self.done = self._filled()
        if self.done:
            self.features = np.memmap(folder / "features.f16", "<f2", "r+", shape=(frames, width))
        else:
            self._record.unlink(missing_ok=True)  # it would count for rows of another origin
            self.features = create_features(folder, frames, width)

    @property
    def _record(self) -> Path:
        return self._folder / "filling.json"

    def _filled(self) -> int:
        try:
            about = json.loads(self._record.read_text("utf-8"))
            size = (self._folder / "features.f16").stat().st_size
            done = int(about.pop("done"))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return 0
        return done if about == self._origin and size == self._bytes else 0

    def keep(self, parts: Iterable[Part]) -> Iterator[Part]:
        """Passes parts on as they are filled, and now and then writes down how many there are."""
        last = time.monotonic()
        for number, part in enumerate(parts, self.done + 1):
            yield part
            if time.monotonic() - last >= FLUSH_SECONDS:
                self.features.flush()
                with atomic_write(self._record) as handle:
                    handle.write(json.dumps({**self._origin, "done": number}).encode())
                last = time.monotonic()

    def finish(self, **about: float | str) -> None:
        """Says that the cache is whole."""
        finish_features(self._folder, self.features, **about)
        self._record.unlink(missing_ok=True)
