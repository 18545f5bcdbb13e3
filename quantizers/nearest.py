"""Nearest codeword by tiles of points and codewords, never the whole distance matrix."""

from __future__ import annotations

import torch
from torch import Tensor

POINT_TILE, CODE_TILE = 8192, 4096


def nearest(points: Tensor, codebook: Tensor) -> tuple[Tensor, Tensor]:
    """Index of, and squared distance to, the nearest row of a codebook.

    Memory is that of one tile. Ties go to the lowest index.

    Args:
        points: ``(N, D)``, preferably centred (squares of large offsets cancel badly).
        codebook: ``(K, D)``.

    Returns:
        ``(N,)`` int64 and ``(N,)`` float.

    Example:
        >>> nearest(torch.tensor([[0.9], [0.1]]), torch.tensor([[0.0], [1.0]]))[0]
        tensor([1, 0])
    """
    half_norms = codebook.pow(2).sum(1) / 2
    indices = torch.empty(len(points), dtype=torch.int64, device=points.device)
    distances = torch.empty(len(points), dtype=points.dtype, device=points.device)
    for rows in range(0, len(points), POINT_TILE):
        part = points[rows : rows + POINT_TILE]
        best = torch.full((len(part),), -torch.inf, dtype=points.dtype, device=points.device)
        index = torch.zeros(len(part), dtype=torch.int64, device=points.device)
        for columns in range(0, len(codebook), CODE_TILE):
            # argmin |x − c|² = argmax x·c − |c|²/2
            score = torch.addmm(-half_norms[columns : columns + CODE_TILE], part, codebook[columns : columns + CODE_TILE].T)
            value, position = score.max(1)
            better = value > best
            best = torch.where(better, value, best)
            index = torch.where(better, position + columns, index)
        indices[rows : rows + POINT_TILE] = index
        distances[rows : rows + POINT_TILE] = (part.pow(2).sum(1) - 2 * best).clamp_min(0)
    return indices, distances
