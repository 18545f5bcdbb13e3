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

    Raises:
        ValueError: no arrays, or such as are not of this shape.
    """

    def __init__(self, shards: np.ndarray | Tensor | Sequence[np.ndarray | Tensor]) -> None:
        self.shards = [shards] if isinstance(shards, (np.ndarray, Tensor)) else list(shards)
        if not self.shards:
            raise ValueError("no points: an empty list")
        self.dim = _width(self.shards[0])
        for shard in self.shards:
            _width(shard, self.dim)

    def __len__(self) -> int:
        return sum(len(shard) for shard in self.shards)

    def chunks(self) -> Iterator[Tensor]:
        """Pieces of at most `CHUNK` rows, in order."""
        for shard in self.shards:
            for start in range(0, len(shard), CHUNK):
                yield _float(shard[start : start + CHUNK])


class StreamPoints:
    """Points from a function that returns a fresh iterator of arrays at each call; counted once, at the start.

    Args:
        make: called for every pass; must give the same points each time.

    Raises:
        ValueError: it gives nothing, or arrays that are not ``(n, D)``.
    """

    def __init__(self, make: Callable[[], Iterable[np.ndarray | Tensor]]) -> None:
        self._make = make
        self._count, self.dim = 0, 0
        for piece in make():
            self.dim = _width(piece, self.dim or None)
            self._count += len(piece)
        if not self._count:
            raise ValueError("the stream gives no points")

    def __len__(self) -> int:
        return self._count

    def chunks(self) -> Iterator[Tensor]:
        """The stream's own pieces.

        Raises:
            ValueError: there are more or fewer points than at first.
        """
        count = 0
        for piece in self._make():
            count += len(piece)
            yield _float(piece)
        if count != self._count:
            raise ValueError(f"the stream gave {self._count} points and now {count}: it must begin anew at every call")


class Directions:
    """Points scaled to length 1.

    Args:
        points: to be scaled as they are read.
    """

    def __init__(self, points: Points) -> None:
        self._points = points
        self.dim = points.dim

    def __len__(self) -> int:
        return len(self._points)

    def chunks(self) -> Iterator[Tensor]:
        """The points' own pieces."""
        return (torch.nn.functional.normalize(piece, dim=1) for piece in self._points.chunks())


AnyPoints = np.ndarray | Tensor | Sequence[np.ndarray | Tensor] | Points


def as_points(points: AnyPoints) -> Points:
    """Wraps arrays; leaves `Points` as they are.

    Raises:
        ValueError: arrays that are not ``(N, D)``.
    """
    return points if hasattr(points, "chunks") else ArrayPoints(points)  # type: ignore[return-value]


def prepared(points: AnyPoints, spherical: bool) -> Points:
    """`as_points`, or their directions."""
    source = as_points(points)
    return Directions(source) if spherical and not isinstance(source, Directions) else source


def take(points: Points, rows: np.ndarray) -> Tensor:
    """The points with the given ascending row numbers, in one pass; on the processor, wherever they lie."""
    picked, start = [torch.empty(0, points.dim)], 0
    if len(rows):
        for piece in points.chunks():
            inside = rows[(rows >= start) & (rows < start + len(piece))] - start
            picked.append(piece[torch.from_numpy(inside).to(piece.device)].cpu())
            start += len(piece)
            if start > rows[-1]:
                break
    return torch.cat(picked)


def _width(piece: np.ndarray | Tensor, expected: int | None = None) -> int:
    shape = getattr(piece, "shape", None)
    if shape is None or len(shape) != 2:
        what = f"a {type(piece).__name__}" if shape is None else f"one of shape {tuple(shape)}"
        raise ValueError(f"points must be arrays (N, D), not {what}")
    if expected not in (None, shape[1]):
        raise ValueError(f"points of width {shape[1]} beside some of width {expected}")
    return int(shape[1])


def _float(piece: np.ndarray | Tensor) -> Tensor:
    # torch warns of arrays that it could write to and must not, as memory maps are.
    return piece.float() if isinstance(piece, Tensor) else torch.from_numpy(np.require(piece, np.float32, "W"))
