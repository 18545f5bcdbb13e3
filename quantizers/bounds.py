"""Nearest centroids pass after pass: what the triangle inequality rules out is not searched again.

Lloyd's algorithm compares the same points with nearly the same centroids, over and over. How near a tile of centroids comes to
a point, found once, changes by no more than the farthest of them moves. While that bound is above the distance to the point's
own centroid, the tile is left out (Yinyang k-means, Ding et al. 2015; tiles instead of their groups, so that what is left are
the matrix products of `quantizers.nearest`). The result is that of a full search.

A centroid that moved far would loosen the bound of its whole tile: a few of these are compared with all points instead.

Where the processor gains from it, tiles are looked at in rounded numbers first (`quantizers.rounded`), which leave few of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from quantizers.nearest import CODE_TILE, POINT_TILE, Block, nearest
from quantizers.rounded import RoundedBlock, RoundedTiles, gains_from_rounding
from quantizers.threads import in_threads

FEWEST_TILES = 8
"""With fewer, bounds cost more than they save, those from rounded products, too."""
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
        bounds: ``(G, N)`` int16, the upper halves of float32 distances that no centroid of a tile was below.
    """

    codes: Tensor
    bounds: Tensor

    def part(self, rows: slice) -> Known:
        """A view of some points."""
        return Known(self.codes[rows], self.bounds[:, rows])


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
        if points.device.type != "cpu" or not len(points) or tiles < FEWEST_TILES:
            return nearest(points, centroids)
        rounds = points.dtype == torch.float32 and gains_from_rounding()
        moves = self._moves if piece in self._known else []
        known = self._remembered(piece, len(points), tiles)
        if known is None and not rounds:
            return nearest(points, centroids)
        rounded = RoundedTiles(centroids, self._tile) if rounds else None
        half_norms = centroids.pow(2).sum(1) / 2
        starts = range(0, len(points), POINT_TILE)

        def search(start: int) -> tuple[Tensor, Tensor]:
            rows = slice(start, start + POINT_TILE)
            block = Block(points[rows], centroids, half_norms, self._tile)
            return _search(block, rounded, known and known.part(rows), moves)

        indices, distances = zip(*in_threads(search, starts), strict=True)
        return torch.cat(indices), torch.cat(distances)

    def _remembered(self, piece: int, count: int, tiles: int) -> Known | None:
        """What is known of a piece; None where bounds have no room."""
        if piece not in self._known:
            self._room -= count * (2 * tiles + 4)
            if self._room >= 0:
                codes, bounds = torch.zeros(count, dtype=torch.int32), torch.zeros(tiles, count, dtype=torch.int16)
                self._known[piece] = Known(codes, bounds)
        return self._known.get(piece)


@torch.no_grad()
def _search(block: Block, codebook: RoundedTiles | None, known: Known | None, moves: list[Move]) -> tuple[Tensor, Tensor]:
    """Index of, and squared distance to, the nearest centroid; ``known`` is brought up to date."""
    rounded = _rounded(block, codebook)
    lower, upper = _bounds(block, rounded, known, moves)
    needed = _needed(block, lower, upper)
    if rounded is not None:
        lowest = torch.zeros(lower.shape, dtype=torch.int16)
        for number, tile, rows in _pieces(block, needed):
            lowest[number, slice(None) if rows is None else rows] = rounded.lowest(tile, rows)
        least, most = rounded.between(lowest)
        lower = torch.where(needed, least, lower)
        upper = torch.minimum(upper, most.masked_fill(~needed, torch.inf).amin(0))
        needed = _needed(block, lower, upper)
    scores, codes = torch.full_like(lower, -torch.inf), torch.zeros(lower.shape, dtype=torch.int64)
    for number, tile, rows in _pieces(block, needed):
        where = slice(None) if rows is None else rows
        scores[number, where], codes[number, where] = block.best(tile, rows)
    lower = torch.where(needed, _distance(scores, block.squares), lower)
    indices, distances = block.winners(scores.T, codes.T)
    if known is not None:
        known.bounds.copy_(lower.view(torch.int32) >> 16)
        known.codes.copy_(indices)
    return indices, distances


def _rounded(block: Block, codebook: RoundedTiles | None) -> RoundedBlock | None:
    """The block with bounds of rounded products, where these are numbers."""
    rounded = codebook and RoundedBlock(block.points, codebook)
    return rounded if rounded and rounded.finite else None


def _bounds(block: Block, rounded: RoundedBlock | None, known: Known | None, moves: list[Move]) -> tuple[Tensor, Tensor]:
    """What no centroid of a tile is nearer than, ``(G, N)``, and what the nearest of all is not farther than, ``(N,)``."""
    count = len(block.points)
    lower, upper = torch.zeros(len(block.tiles), count), torch.full((count,), torch.inf)
    if known is None or not moves:
        return lower, upper
    before = (known.bounds.int() << 16).view(torch.float32)
    upper = (block.points - block.codebook[known.codes]).square().sum(1).sqrt()
    costs = [_cost(move, before, upper, len(block.codebook)) for move in moves]
    if min(costs) >= WORTHWHILE:
        return lower, upper
    move = moves[costs.index(min(costs))]
    lower = (before - move.rest[:, None]).clamp_min(0)
    if move.tiles:
        least, most = _movers(block, rounded, move)
        tiles = [number for number, _ in move.tiles]
        lower[tiles] = torch.minimum(lower[tiles], least)
        upper = torch.minimum(upper, most.amin(0))
    return lower, upper


def _movers(block: Block, rounded: RoundedBlock | None, move: Move) -> tuple[Tensor, Tensor]:
    """The least and the most that the distance to the nearest of those that moved can be, for each tile that has such."""
    if rounded is None:
        scores = block.scores(move.movers)
        exact = _distance(torch.stack([scores[:, where].amax(1) for _, where in move.tiles]), block.squares)
        return exact, exact
    halves = rounded.halves(move.movers)
    lowest = torch.stack([halves[:, where].amin(1) for _, where in move.tiles])
    return rounded.between(lowest, torch.tensor([number for number, _ in move.tiles]))


def _needed(block: Block, lower: Tensor, upper: Tensor) -> Tensor:
    """``(G, N)``: which tiles may hold the nearest; all of a tile's points where nearly all are."""
    upper = (upper.square() + ROUNDING * block.squares).sqrt()
    needed = ~(lower > upper)  # what is no number is looked at, and found
    needed.scatter_(0, lower.argmin(0, keepdim=True), True)
    needed[needed.sum(1) > NEARLY_ALL * needed.shape[1]] = True
    return needed


def _pieces(block: Block, needed: Tensor) -> Iterator[tuple[int, slice, Tensor | None]]:
    """Number and codewords of tiles, and which points they are to be compared with; None for all."""
    for number, (tile, points) in enumerate(zip(block.tiles, needed, strict=True)):
        rows = points.nonzero()[:, 0]
        if len(rows):
            yield number, tile, None if len(rows) == len(points) else rows


def _distance(scores: Tensor, squares: Tensor) -> Tensor:
    """Distances to codewords of such scores: ``(…, N)``."""
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
    return (lower - move.rest[:, None] <= own).float().mean().item() + len(move.movers) / k
