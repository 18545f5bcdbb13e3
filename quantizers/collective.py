"""Sums and draws over all processes of a group; with one process they cost nothing.

The ranks' points, one rank after the other, count as one set. Everything random is drawn from that whole set with the
same seed everywhere, so N ranks find what one rank would.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from quantizers.points import Points, take


def world() -> tuple[int, int]:
    """Rank and number of processes."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def reduce_sum(*tensors: Tensor) -> None:
    """Sums tensors over all processes, in place; by way of a GPU where the group knows no other place (nccl)."""
    if world()[1] > 1:
        for tensor in tensors:
            reduced = tensor.cuda() if dist.get_backend() == "nccl" else tensor
            dist.all_reduce(reduced)
            if reduced is not tensor:
                tensor.copy_(reduced)


def counts(local: int) -> list[int]:
    """Points on every rank."""
    rank, size = world()
    numbers = torch.zeros(size, dtype=torch.int64)
    numbers[rank] = local
    reduce_sum(numbers)
    return [int(number) for number in numbers]


def gather_rows(points: Points, rows: np.ndarray) -> Tensor:
    """Points by their number in the whole set, ascending, on every rank: ``(len(rows), D)`` float32."""
    rank, _ = world()
    start = sum(counts(len(points))[:rank])
    mine = (rows >= start) & (rows < start + len(points))
    gathered = torch.zeros(len(rows), points.dim)
    gathered[torch.from_numpy(mine)] = take(points, rows[mine] - start)
    reduce_sum(gathered)
    return gathered


def distinct(pieces: Iterable[Tensor], most: int) -> int:
    """How many points ``(n, D)`` differ from each other, over all ranks; counting ends at ``most``."""
    rank, size = world()
    mine = _hashes(pieces, most)
    hashes = torch.zeros(size, most, dtype=torch.int64)
    hashes[rank, : len(mine)] = torch.tensor(sorted(mine), dtype=torch.int64)
    reduce_sum(hashes)
    return min(most, len(set(hashes.flatten().tolist()) - {0}))


def _hashes(pieces: Iterable[Tensor], most: int) -> set[int]:
    seen: set[int] = set()
    for piece in pieces:
        for row in (piece.cpu() + 0.0).numpy():  # minus zero is zero
            seen.add(int.from_bytes(hashlib.blake2b(row.tobytes(), digest_size=8).digest(), "little", signed=True))
            if len(seen) == most:
                return seen
    return seen
