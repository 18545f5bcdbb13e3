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

from quantizers.nearest import CODE_TILE, POINT_TILE, nearest
from quantizers.threads import in_threads

FEWEST_TILES = 4
"""With fewer, keeping bounds costs more than it saves."""
BOUNDS_BYTES = 1 << 28
"""Memory for bounds. Points beyond it are searched in full, so that a stream of any length fits."""
MOVER_SHARES = (0, 1 / 64, 1 / 16, 1 / 4)
"""Which shares of the centroids may count as having moved far; each block of points takes what is cheapest for it."""
NEARLY_ALL = 0.9
"""From this share on, gathering points costs more than leaving some out saves."""
WORTHWHILE = 0.6
"""Of all products; with more than this left, looking at everything in order is as fast."""
EVERY = slice(None)
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
            return _Block(points[rows], centroids, half_norms, self._tile).search(known.part(rows), moves)

        indices, distances = zip(*in_threads(search, starts), strict=True)
        return torch.cat(indices), torch.cat(distances)


class _Block:
    """So few points that their products with a tile of centroids stay in a processor's cache."""

    def __init__(self, points: Tensor, centroids: Tensor, half_norms: Tensor, tile: int) -> None:
        self.points, self.centroids, self.half_norms = points, centroids, half_norms
        self.squares = points.pow(2).sum(1)
        self.tiles = [slice(start, start + tile) for start in range(0, len(centroids), tile)]
        self.buffer = points.new_empty(0)

    @torch.no_grad()
    def search(self, known: Known, moves: list[Move]) -> tuple[Tensor, Tensor]:
        """Index of, and squared distance to, the nearest centroid; ``known`` is brought up to date."""
        lower = (known.bounds.int() << 16).view(torch.float32)
        upper = (self.points - self.centroids[known.codes]).square().sum(1).sqrt()
        costs = [_cost(move, lower, upper, len(self.centroids)) for move in moves]
        if min(costs, default=1) < WORTHWHILE:
            lower, upper = self._after(moves[costs.index(min(costs))], lower, upper)
        else:
            lower = torch.zeros_like(lower)
        upper = (upper.square() + ROUNDING * self.squares).sqrt()
        needed = ~(lower > upper[:, None])  # what is no number is looked at, and found
        for tile, which in enumerate(self.tiles):
            rows = needed[:, tile].nonzero()[:, 0]
            if len(rows) > NEARLY_ALL * len(lower):
                lower[:, tile] = self._distance(self._scores(which).amax(1))
            elif len(rows):
                lower[rows, tile] = self._distance(self._scores(which, rows).amax(1), rows)
        # What was left out lies above what was found, so the lowest bound is that of a searched tile.
        indices, distances = self._within(lower.argmin(1))
        known.bounds.copy_(lower.view(torch.int32) >> 16)
        known.codes.copy_(indices)
        return indices, distances

    def _after(self, move: Move, lower: Tensor, upper: Tensor) -> tuple[Tensor, Tensor]:
        """Bounds that hold where centroids are now."""
        lower = (lower - move.rest).clamp_min(0)
        scores = self._scores(move.movers)
        for tile, where in move.tiles:
            mover = self._distance(scores[:, where].amax(1))
            lower[:, tile] = torch.minimum(lower[:, tile], mover)
            upper = torch.minimum(upper, mover)
        return lower, upper

    def _within(self, winners: Tensor) -> tuple[Tensor, Tensor]:
        """The nearest centroid of the tile that holds it, for each point."""
        indices, distances = torch.empty_like(winners), torch.empty_like(self.squares)
        order, counts = winners.argsort(stable=True), torch.bincount(winners, minlength=len(self.tiles)).tolist()
        for which, rows in zip(self.tiles, torch.split(order, counts), strict=True):
            if len(rows):
                value, position = self._scores(which, rows).max(1)
                indices[rows] = position + which.start
                distances[rows] = (self.squares[rows] - 2 * value).clamp_min(0)
        return indices, distances

    def _scores(self, which: slice | Tensor, rows: Tensor | None = None) -> Tensor:
        # argmin |x − c|² = argmax x·c − |c|²/2
        points = self.points if rows is None else self.points[rows]
        norms = self.half_norms[which]
        if self.buffer.numel() < len(points) * len(norms):  # one for all: fresh memory for each costs a tenth of the products
            self.buffer = points.new_empty(len(self.points) * len(norms))
        out = self.buffer[: len(points) * len(norms)].view(len(points), len(norms))
        return torch.addmm(-norms, points, self.centroids[which].T, out=out)

    def _distance(self, best: Tensor, rows: Tensor | slice = EVERY) -> Tensor:
        return (self.squares[rows] - 2 * best).clamp_min(0).sqrt()


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
