"""Residual search where errors do not all weigh alike: what is loud masks what is quiet beside it.

Distances that differ from vector to vector fit no table of codewords' norms. So a few codewords that are near in the plain
sense are looked for first, and are then compared by what they cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from quantizers.nearest import highest, nearest

BEAM = 4
"""Ways that the search keeps open."""
SHORTLIST = 8
"""Codewords of each codebook, near in the plain sense, that are compared by what they cost."""


class Metric(NamedTuple):
    """What codewords for a vector cost: ``c · products · c − 2 · slopes · c``, the least where they add up to the vector.

    A vector may stand for a longer one of which codewords can tell a part; its slopes then know of the rest, too.

    Attributes:
        products: ``(…, D, D)``, symmetric.
        slopes: ``(…, D)``.
    """

    products: Tensor
    slopes: Tensor

    def moved(self, by: Tensor) -> Metric:
        """The metric of vectors that lie elsewhere by ``(…, D)``."""
        return Metric(self.products, self.slopes + _times(self.products, by))

    def at(self, chosen: Tensor) -> Metric:
        """Of those of the vectors that are chosen ``(…)`` bool, side by side."""
        return Metric(self.products[chosen], self.slopes[chosen])


class Ways(NamedTuple):
    """What the search keeps open of each vector.

    Attributes:
        codes: ``(N, W, G)`` so far.
        rest: ``(N, W, D)`` what is left of the vector.
        slopes: ``(N, W, D)`` of what is left.
        costs: ``(N, W)``.
    """

    codes: Tensor
    rest: Tensor
    slopes: Tensor
    costs: Tensor


def weighted_search(points: Tensor, near: Tensor, metric: Metric, codebooks: Sequence[Tensor]) -> Tensor:
    """Codes of vectors; the first codewords are near in the plain sense, those after them in that of a metric.

    Args:
        points: ``(N, D)`` that all codewords together come near to.
        near: ``(N, D)`` that the first codeword comes near to.
        metric: of the points.
        codebooks: ``(K, D)`` each.

    Returns:
        ``(N, G)`` int64.

    Example:
        >>> metric = Metric(torch.tensor([[[1.0, 0.0], [0.0, 0.01]]]), torch.tensor([[1.0, 0.0]]))
        >>> books = [torch.zeros(1, 2), torch.tensor([[0.4, 0.0], [0.9, 0.9]])]
        >>> point = torch.tensor([[1.0, 0.0]])  # the second codeword is farther away, but in a direction that weighs little
        >>> weighted_search(point, point, metric, books)
        tensor([[0, 1]])
    """
    first, *others = codebooks
    code = nearest(near, first)[0]
    codeword = first[code]
    ways = Ways(
        code[:, None, None],
        (points - codeword)[:, None],
        (metric.slopes - _times(metric.products, codeword))[:, None],
        points.new_zeros(len(points), 1),
    )
    for book in others:
        ways = _widen(ways, metric.products, book)
    return ways.codes[torch.arange(len(points), device=points.device), ways.costs.argmin(1)]


def _widen(ways: Ways, products: Tensor, book: Tensor) -> Ways:
    """Goes on from every way by one code, and keeps the best `BEAM` ways."""
    scores = torch.addmm(-book.square().sum(1) / 2, ways.rest.flatten(0, 1), book.T)
    count = min(SHORTLIST, len(book))
    found = highest(scores, count).view(*ways.costs.shape, count)
    words = book[found]  # (N, W, C, D)
    turned = torch.matmul(words.flatten(1, 2), products).view_as(words)
    costs = ways.costs[..., None] + (words * (turned - 2 * ways.slopes[:, :, None])).sum(3)
    costs, best = costs.flatten(1).topk(min(BEAM, ways.costs.shape[1] * count), dim=1, largest=False)
    way, place = best // count, best[..., None]

    def kept(values: Tensor) -> Tensor:
        return values.gather(1, way[..., None].expand(-1, -1, values.shape[2]))

    def taken(values: Tensor) -> Tensor:
        return values.flatten(1, 2).gather(1, place.expand(-1, -1, values.shape[3]))

    codes = torch.cat([kept(ways.codes), taken(found[..., None])], 2)
    return Ways(codes, kept(ways.rest) - taken(words), kept(ways.slopes) - taken(turned), costs)


def _times(products: Tensor, vectors: Tensor) -> Tensor:
    return torch.matmul(products, vectors[..., None])[..., 0]
