"""Nearest codeword by tiles of points and codewords, never the whole distance matrix."""

from __future__ import annotations

import torch
from torch import Tensor

from quantizers.threads import in_threads

POINT_TILE, CODE_TILE = 4096, 256
"""Scores of a tile, a million, stay in a processor's cache; few points are compared with more codewords at a time."""
POINT_TILE_ON_GPU = 65_536
TOP_TILE = 64
"""Scores of which the highest is known before a few of them are looked at."""
IN_NUMPY = (torch.float32, torch.float64)


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


def highest(scores: Tensor, count: int) -> Tensor:
    """Where the highest scores of every row are, the highest first; among equal ones, any.

    They lie in the tiles that have the highest scores, which takes half of the time of looking at all of them.

    Args:
        scores: ``(N, K)``.
        count: how many, K at most.

    Returns:
        ``(N, count)`` int64.

    Example:
        >>> highest(torch.tensor([[0.5, 2.0, 1.0]]), 2)
        tensor([[1, 2]])
    """
    width = scores.shape[1]
    if width % TOP_TILE or width < 4 * count * TOP_TILE:
        return scores.topk(count, dim=1).indices
    tiled = scores.unflatten(1, (-1, TOP_TILE))
    tiles = tiled.amax(2).topk(count, dim=1).indices
    within = tiled.gather(1, tiles[..., None].expand(-1, -1, TOP_TILE)).flatten(1)
    best = within.topk(count, dim=1).indices
    return tiles.gather(1, best // TOP_TILE) * TOP_TILE + best % TOP_TILE


@torch.no_grad()
def _nearest(points: Tensor, codebook: Tensor) -> tuple[Tensor, Tensor]:
    half_norms = codebook.pow(2).sum(1) / 2
    width = max(CODE_TILE, POINT_TILE * CODE_TILE // max(1, len(points)))
    size = POINT_TILE if points.device.type == "cpu" else POINT_TILE_ON_GPU
    indices = torch.empty(len(points), dtype=torch.int64, device=points.device)
    distances = torch.empty(len(points), dtype=points.dtype, device=points.device)
    room = points.new_empty(min(size, len(points)) * min(width, len(codebook)))
    for start in range(0, len(points), size):
        rows = slice(start, start + size)
        block = Block(points[rows], codebook, half_norms, width, room)
        scores, codes = zip(*map(block.best, block.tiles), strict=True)
        indices[rows], distances[rows] = block.winners(torch.stack(scores, dim=1), torch.stack(codes, dim=1))
    return indices, distances


class Block:
    """A block of points, so few that their scores in a tile of the codebook stay in a processor's cache.

    Args:
        points: ``(N, D)``.
        codebook: ``(K, D)``.
        half_norms: ``(K,)`` half the squares of codewords.
        width: codewords in a tile.
        room: for scores, of a block before; fresh memory costs a tenth of the products.
    """

    def __init__(self, points: Tensor, codebook: Tensor, half_norms: Tensor, width: int, room: Tensor | None = None) -> None:
        self.points, self.codebook, self.half_norms = points, codebook, half_norms
        self.squares = points.pow(2).sum(1)
        self.tiles = [slice(start, start + width) for start in range(0, len(codebook), width)]
        self._buffer = points.new_empty(0) if room is None else room

    def scores(self, which: slice | Tensor, rows: Tensor | None = None) -> Tensor:
        """How near some codewords are to all points or to ``rows`` of them: ``(N, M)``, valid until the next call."""
        # argmin |x − c|² = argmax x·c − |c|²/2
        points = self.points if rows is None else self.points[rows]
        norms = self.half_norms[which]
        if self._buffer.numel() < len(points) * len(norms):
            self._buffer = points.new_empty(len(self.points) * len(norms))
        out = self._buffer[: len(points) * len(norms)].view(len(points), len(norms))
        return torch.addmm(-norms, points, self.codebook[which].T, out=out)

    def best(self, tile: slice, rows: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The highest score within a tile, and the number of the codeword that has it: ``(N,)`` and ``(N,)`` int64."""
        scores = self.scores(tile, rows)
        if scores.device.type != "cpu" or scores.dtype not in IN_NUMPY:
            score, place = scores.max(1)
        else:  # numpy finds the place in half the time that torch takes
            place = torch.from_numpy(scores.numpy().argmax(1))
            score = scores.gather(1, place[:, None])[:, 0]
        return score, place + tile.start

    def winners(self, scores: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Index of, and squared distance to, the nearest codeword, of what `best` found in each tile.

        Args:
            scores: ``(N, G)``.
            codes: ``(N, G)`` int64.
        """
        tiles = scores.argmax(1, keepdim=True)
        return codes.gather(1, tiles)[:, 0], (self.squares - 2 * scores.gather(1, tiles)[:, 0]).clamp_min(0)
