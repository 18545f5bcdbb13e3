"""Nearest centroids pass after pass: what the triangle inequality rules out is not searched again.

Lloyd's algorithm compares the same points with nearly the same centroids, over and over. How near a tile of centroids comes to
a point, found once, changes by no more than the farthest of them moves. While that bound is above the distance to the point's
own centroid, the tile is left out (Yinyang k-means, Ding et al. 2015; tiles instead of their groups, so that what is left are
the matrix products of `quantizers.nearest`). The result is that of a full search.

A centroid that moved far would loosen the bound of its whole tile: a few of these are compared with all points instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from quantizers.nearest import CODE_TILE, POINT_TILE, Block, nearest
from quantizers.threads import in_threads

FEWEST_TILES = 8
"""With fewer, keeping bounds costs more than it saves."""
BOUNDS_BYTES = 1 << 28
"""Memory for bounds. Points beyond it are searched in full, so that a stream of any length fits."""
MOVER_SHARES = (0, 1 / 64, 1 / 16, 1 / 4)
"""Which shares of the centroids may count as having moved far; each block of points takes what is cheapest for it."""
NEARLY_ALL = 0.9
"""From this share on, gathering points costs more than leaving some out saves."""
WORTHWHILE = 0.6
"""Of all products; with more than this left, looking at everything in order is as fast."""
ROUNDING = 1e-5
"""Room for errors, as a share of a point's square: squared distances are differences of rounded numbers of that size."""


@dataclass(frozen=True)
class Move:
    """How far centroids moved in an update.

    Attributes:
        movers: ``(M,)`` ascending numbers of those that moved farthest.
        tiles: for each tile that has movers, its number and where they are among ``movers``.
        rest: ``(G,)`` farthest move of the other centroids of each tile.
    """

    movers: Tensor
    tiles: list[tuple[int, slice]]
    rest: Tensor


@dataclass
class Known:
    """What is known of a block of points.

    Attributes:
        codes: ``(N,)`` int32 nearest centroids of the last pass.
        bounds: ``(N, G)`` int16, the upper halves of float32 distances that no centroid of a tile was below.
    """

    codes: Tensor
    bounds: Tensor

    def part(self, rows: slice) -> Known:
        """A view of some rows."""
        return Known(self.codes[rows], self.bounds[rows])


class BoundedSearch:
    """`quantizers.nearest.nearest` for points that come again in every pass, in the same pieces.

    Args:
        tile: centroids that share a bound.

    Example:
        >>> points, centroids = torch.randn(1000, 4), torch.randn(32, 4)
        >>> search = BoundedSearch(tile=8)
        >>> first, _ = search.nearest(0, points, centroids)
        >>> search.moved(centroids, centroids + 0.01)
        >>> again, _ = search.nearest(0, points, centroids + 0.01)
        >>> torch.equal(again, nearest(points, centroids + 0.01)[0])
        True
    """

    def __init__(self, tile: int = CODE_TILE) -> None:
        self._tile = tile
        self._known: dict[int, Known] = {}
        self._moves: list[Move] = []
        self._room = BOUNDS_BYTES

    def moved(self, before: Tensor, after: Tensor) -> None:
        """Tells that centroids are now elsewhere."""
        drift = (after - before).square().sum(1).sqrt()
        self._moves = [_move(drift, int(share * len(drift)), self._tile) for share in MOVER_SHARES]

    def nearest(self, piece: int, points: Tensor, centroids: Tensor) -> tuple[Tensor, Tensor]:
        """Index of, and squared distance to, the nearest centroid.

        Args:
            piece: number of this set of points: the same in every pass.
            points: ``(N, D)``.
            centroids: ``(K, D)``, where `moved` said they are.

        Returns:
            ``(N,)`` int64 and ``(N,)`` float.
        """
        tiles = -(-len(centroids) // self._tile)
        if points.device.type != "cpu" or tiles < FEWEST_TILES:
            return nearest(points, centroids)
        fresh = piece not in self._known
        if fresh:
            self._room -= len(points) * (2 * tiles + 4)
            if self._room < 0:
                return nearest(points, centroids)
            known = Known(torch.zeros(len(points), dtype=torch.int32), torch.zeros(len(points), tiles, dtype=torch.int16))
            self._known[piece] = known
        known, half_norms = self._known[piece], centroids.pow(2).sum(1) / 2
        moves = [] if fresh else self._moves
        starts = range(0, len(points), POINT_TILE)

        def search(start: int) -> tuple[Tensor, Tensor]:
            rows = slice(start, start + POINT_TILE)
            return _search(Block(points[rows], centroids, half_norms, self._tile), known.part(rows), moves)

        indices, distances = zip(*in_threads(search, starts), strict=True)
        return torch.cat(indices), torch.cat(distances)


@torch.no_grad()
def _search(block: Block, known: Known, moves: list[Move]) -> tuple[Tensor, Tensor]:
    """Index of, and squared distance to, the nearest centroid; ``known`` is brought up to date."""
    lower = (known.bounds.int() << 16).view(torch.float32)
    upper = (block.points - block.codebook[known.codes]).square().sum(1).sqrt()
    costs = [_cost(move, lower, upper, len(block.codebook)) for move in moves]
    if min(costs, default=1) < WORTHWHILE:
        lower, upper = _after(block, moves[costs.index(min(costs))], lower, upper)
    else:
        lower = torch.zeros_like(lower)
    upper = (upper.square() + ROUNDING * block.squares).sqrt()
    needed = ~(lower > upper[:, None])  # what is no number is looked at, and found
    needed.scatter_(1, lower.argmin(1, keepdim=True), True)
    scores, codes = torch.full_like(lower, -torch.inf), torch.zeros(lower.shape, dtype=torch.int64)
    for number, tile in enumerate(block.tiles):
        rows = needed[:, number].nonzero()[:, 0]
        if len(rows):
            most = len(rows) > NEARLY_ALL * len(lower)
            where = slice(None) if most else rows
            scores[where, number], codes[where, number] = block.best(tile, None if most else rows)
            lower[where, number] = _distance(scores[where, number], block.squares[where])
    indices, distances = block.winners(scores, codes)
    known.bounds.copy_(lower.view(torch.int32) >> 16)
    known.codes.copy_(indices)
    return indices, distances


def _after(block: Block, move: Move, lower: Tensor, upper: Tensor) -> tuple[Tensor, Tensor]:
    """Bounds that hold where centroids are now."""
    lower = (lower - move.rest).clamp_min(0)
    scores = block.scores(move.movers)
    for number, where in move.tiles:
        mover = _distance(scores[:, where].amax(1), block.squares)
        lower[:, number] = torch.minimum(lower[:, number], mover)
        upper = torch.minimum(upper, mover)
    return lower, upper


def _distance(scores: Tensor, squares: Tensor) -> Tensor:
    """``(N,)`` distances to codewords of such scores."""
    return (squares - 2 * scores).clamp_min(0).sqrt()


def _move(drift: Tensor, movers: int, tile: int) -> Move:
    chosen = drift.topk(movers).indices.sort().values
    rest = drift.clone()
    rest[chosen] = 0
    edges = torch.searchsorted(chosen, torch.arange(0, len(drift) + tile, tile)).tolist()
    tiles = [(index, slice(a, b)) for index, (a, b) in enumerate(pairwise(edges)) if b > a]
    return Move(chosen, tiles, torch.stack([part.amax() for part in torch.split(rest, tile)]))


def _cost(move: Move, lower: Tensor, own: Tensor, k: int) -> float:
    """Share of all products that a block needs."""
    return (lower - move.rest <= own[:, None]).float().mean().item() + len(move.movers) / k
