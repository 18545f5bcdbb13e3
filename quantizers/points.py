"""Point sets for clustering that need not fit into memory, nor lie on one machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

CHUNK = 1 << 17
"""Rows that are read at once."""


class Points(Protocol):
    """A set of points that can be passed over again and again.

    Attributes:
        dim: width of a point.
    """

    dim: int

    def __len__(self) -> int: ...

    def chunks(self) -> Iterator[Tensor]:
        """All points, in a fixed order, as float32 ``(n, dim)``."""
        ...


class ArrayPoints:
    """An array, memory map or tensor ``(N, D)``, or a list of such shards.

    Args:
        shards: one array or several of equal width; float16 is fine.
    """

    def __init__(self, shards: np.ndarray | Tensor | Sequence[np.ndarray | Tensor]) -> None:
        self.shards = [shards] if isinstance(shards, (np.ndarray, Tensor)) else list(shards)
        self.dim = int(self.shards[0].shape[1])

    def __len__(self) -> int:
        return sum(len(shard) for shard in self.shards)

    def chunks(self) -> Iterator[Tensor]:
        """Pieces of at most `CHUNK` rows, in order."""
        for shard in self.shards:
            for start in range(0, len(shard), CHUNK):
                piece = shard[start : start + CHUNK]
                yield piece.float() if isinstance(piece, Tensor) else torch.from_numpy(np.asarray(piece, np.float32))


class StreamPoints:
    """Points from a function that returns a fresh iterator of arrays at each call; counted once, at the start.

    Args:
        make: called for every pass; must give the same points each time.

    Raises:
        ValueError: it gives nothing.
    """

    def __init__(self, make: Callable[[], Iterable[np.ndarray | Tensor]]) -> None:
        self._make = make
        self._count, self.dim = 0, 0
        for piece in make():
            self._count, self.dim = self._count + len(piece), int(piece.shape[1])
        if not self._count:
            raise ValueError("the stream gives no points")

    def __len__(self) -> int:
        return self._count

    def chunks(self) -> Iterator[Tensor]:
        """The stream's own pieces."""
        for piece in self._make():
            yield piece.float() if isinstance(piece, Tensor) else torch.from_numpy(np.asarray(piece, np.float32))


AnyPoints = np.ndarray | Tensor | Sequence[np.ndarray | Tensor] | Points


def as_points(points: AnyPoints) -> Points:
    """Wraps arrays; leaves `Points` as they are."""
    return points if hasattr(points, "chunks") else ArrayPoints(points)  # type: ignore[return-value]


def take(points: Points, rows: np.ndarray) -> Tensor:
    """The points with the given ascending row numbers, in one pass; on the processor, wherever they lie."""
    picked, start = [], 0
    for piece in points.chunks():
        inside = rows[(rows >= start) & (rows < start + len(piece))] - start
        picked.append(piece[torch.from_numpy(inside).to(piece.device)].cpu())
        start += len(piece)
    return torch.cat(picked)
