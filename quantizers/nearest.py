"""Nearest codeword by tiles of points and codewords, never the whole distance matrix.

Two steps: the best score within every tile of codewords tells which tile holds the nearest one, then the codeword is looked
for there alone. On processors finding a maximum is a twentieth of the work of finding where it is, which would otherwise cost
half as much as the products.
"""

from __future__ import annotations

import torch
from torch import Tensor

from quantizers.threads import in_threads

POINT_TILE, CODE_TILE = 4096, 256
"""Scores of a tile, a million, stay in a processor's cache; few points are compared with more codewords at a time."""
POINT_TILE_ON_GPU = 65_536


def nearest(points: Tensor, codebook: Tensor) -> tuple[Tensor, Tensor]:
    """Index of, and squared distance to, the nearest row of a codebook.

    Memory is that of a tile for each thread. Ties go to the lowest index.

    Args:
        points: ``(N, D)``, preferably centred (squares of large offsets cancel badly).
        codebook: ``(K, D)``.

    Returns:
        ``(N,)`` int64 and ``(N,)`` float.

    Example:
        >>> nearest(torch.tensor([[0.9], [0.1]]), torch.tensor([[0.0], [1.0]]))[0]
        tensor([1, 0])
    """
    threads = torch.get_num_threads()
    if points.device.type != "cpu" or threads == 1 or len(points) < 2 * POINT_TILE:
        return _nearest(points, codebook)
    # A part to a thread, and none of them waits: threads that share every product wait for each other after each.
    share = -(-len(points) // (threads * POINT_TILE)) * POINT_TILE
    found = in_threads(lambda part: _nearest(part, codebook), torch.split(points, share))
    indices, distances = zip(*found, strict=True)
    return torch.cat(indices), torch.cat(distances)


@torch.no_grad()
def _nearest(points: Tensor, codebook: Tensor) -> tuple[Tensor, Tensor]:
    half_norms = codebook.pow(2).sum(1) / 2
    indices = torch.empty(len(points), dtype=torch.int64, device=points.device)
    distances = torch.empty(len(points), dtype=points.dtype, device=points.device)
    width = max(CODE_TILE, POINT_TILE * CODE_TILE // max(1, len(points)))
    starts = range(0, len(codebook), width)
    size = POINT_TILE if points.device.type == "cpu" else POINT_TILE_ON_GPU

    # One buffer for all tiles: fresh memory for each costs up to a tenth of the products.
    buffer = points.new_empty(min(size, len(points)) * min(width, len(codebook)))

    def scores(part: Tensor, start: int) -> Tensor:
        # argmin |x − c|² = argmax x·c − |c|²/2
        tile = slice(start, start + width)
        rows, columns = len(part), len(half_norms[tile])
        return torch.addmm(-half_norms[tile], part, codebook[tile].T, out=buffer[: rows * columns].view(rows, columns))

    for first in range(0, len(points), size):
        part = points[first : first + size]
        tiles = torch.stack([scores(part, start).amax(1) for start in starts], dim=1).argmax(1)
        order, counts = tiles.argsort(stable=True), torch.bincount(tiles, minlength=len(starts)).tolist()
        for start, rows in zip(starts, torch.split(order, counts), strict=True):
            if len(rows):
                value, position = scores(part[rows], start).max(1)
                indices[first + rows] = position + start
                distances[first + rows] = (part[rows].pow(2).sum(1) - 2 * value).clamp_min(0)
    return indices, distances
