"""Residual vector quantisation: every codebook tells what the ones before it left (Juang and Gray 1982).

The codebooks are found by k-means, one after the other (`quantizers.fit_residual`), and stand still while networks learn around
them. The first code is the one whose codeword is nearest, so that a stream of first codes is as good as it can be; of the codes
after it the search keeps a few ways open and takes the one that ends nearest, by plain distance or by a metric of every
vector's own (`quantizers.weighted`).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from quantizers.nearest import nearest
from quantizers.precision import full_precision
from quantizers.result import Quantized
from quantizers.weighted import Metric, weighted_search

BEAM = 4
"""Ways that the search keeps open between the first code and the last."""
ROWS, WEIGHED_ROWS = 1024, 64
"""Points searched at a time, by plain distance and by a metric, where the scores of all codewords are to stay in a cache."""


class ResidualKMeansQuantizer(nn.Module):
    """Codebooks whose codewords add up to a vector.

    Args:
        codebook_sizes: codewords in each, most important codebook first.
        dim: width of the vectors.

    Example:
        >>> quantizer = ResidualKMeansQuantizer((4, 16), 3)
        >>> quantized = quantizer(torch.zeros(2, 5, 3))
        >>> quantized.codes.shape, quantized.values.shape
        (torch.Size([2, 2, 5]), torch.Size([2, 5, 6]))
    """

    def __init__(self, codebook_sizes: Sequence[int], dim: int) -> None:
        super().__init__()
        self.codebook_sizes, self.dim = tuple(codebook_sizes), dim
        self.codebooks = nn.ParameterList(
            nn.Parameter(torch.randn(size, dim) / (1 + index), requires_grad=False) for index, size in enumerate(codebook_sizes)
        )

    def encode(
        self, vectors: Tensor, first: Tensor | None = None, metric: Metric | None = None, first_only: bool = False
    ) -> Tensor:
        """``(B, N, D)`` → codes ``(B, G, N)``, in single precision also under autocast.

        Args:
            vectors: that all codewords together come near to.
            first: of the same shape, what the first codeword alone comes near to; by default ``vectors``.
            metric: in which codewords after the first come near; by default all errors weigh alike.
            first_only: look at the first codebook alone; its codes are those that they are beside others.
        """
        books = list(self.codebooks)[: 1 if first_only else None]
        points, nears = (each.reshape(-1, self.dim).float() for each in (vectors, vectors if first is None else first))
        with torch.no_grad(), full_precision(points.device):
            if metric is None:
                rows = WEIGHED_ROWS if first_only else ROWS  # first codes of a search by weight, to the last bit
                parts = zip(torch.split(points, rows), torch.split(nears, rows), strict=True)
                found = [search(part, near, books) for part, near in parts]
            else:
                weighed = Metric(*(each.flatten(0, 1).float() for each in metric))
                split = [torch.split(each, WEIGHED_ROWS) for each in (points, nears, *weighed)]
                found = [
                    weighted_search(part, near, Metric(products, slopes), books)
                    for part, near, products, slopes in zip(*split, strict=True)
                ]
        return torch.cat(found).reshape(*vectors.shape[:2], len(books)).transpose(1, 2)

    def decode(self, codes: Tensor) -> Tensor:
        """Codes ``(B, G', N)`` of the first codebooks → codewords ``(B, N, G · D)`` side by side, 0 for others."""
        parts = [book[codes[:, index]] for index, book in enumerate(self.codebooks) if index < codes.shape[1]]
        missing = self.dim * (len(self.codebooks) - codes.shape[1])
        return torch.cat([*parts, parts[0].new_zeros(*parts[0].shape[:2], missing)], -1)

    def total(self, values: Tensor) -> Tensor:
        """Codewords ``(B, N, G · D)`` side by side → the vectors ``(B, N, D)`` that they add up to."""
        return values.unflatten(-1, (-1, self.dim)).sum(-2)

    def forward(self, vectors: Tensor) -> Quantized:
        """``(B, N, D)`` → codewords ``(B, N, G · D)`` side by side and codes ``(B, G, N)``; no gradient passes."""
        codes = self.encode(vectors)
        return Quantized(self.decode(codes), codes)

    def exact(self, vectors: Tensor, count: int | None = None) -> Tensor:
        """As `forward` gives them, ``(B, N, G · D)``, but one codeword tells all that is left.

        Args:
            vectors: ``(B, N, D)``.
            count: codebooks that are told, default all: the last of them tells what is left, those after it are 0.
        """
        count = len(self.codebooks) if count is None else count
        values = self.decode(self.encode(vectors)[:, :count]).unflatten(-1, (-1, self.dim))
        values[..., count - 1, :] += vectors - values.sum(-2)
        return values.flatten(-2)


def search(points: Tensor, near: Tensor, codebooks: Sequence[Tensor]) -> Tensor:
    """Codes of points ``(N, D)``, whose first codewords are those nearest to ``near``: ``(N, G)`` int64."""
    first, *others = codebooks
    code = nearest(near, first)[0]
    codes, rest = code[:, None, None], (points - first[code])[:, None]
    for book in others[:-1]:
        codes, rest = _widen(codes, rest, book)
    if others:
        code, distances = nearest(rest.flatten(0, 1), others[-1])
        codes = torch.cat([codes, code.view(*codes.shape[:2], 1)], 2)
        best = distances.view(codes.shape[:2]).argmin(1)
        return codes[torch.arange(len(codes), device=codes.device), best]
    return codes[:, 0]


def _widen(codes: Tensor, rest: Tensor, book: Tensor) -> tuple[Tensor, Tensor]:
    """Goes on from every way by one code, and keeps the best `BEAM` ways.

    Args:
        codes: ``(N, W, G)`` so far.
        rest: ``(N, W, D)`` what they leave.
        book: ``(K, D)``.
    """
    scores = torch.addmm(-book.square().sum(1) / 2, rest.flatten(0, 1), book.T)  # |x − c|² = |x|² − 2 · score
    keep = min(BEAM, len(book))
    scores, found = (part.view(*codes.shape[:2], keep) for part in scores.topk(keep, dim=1))
    distances = rest.square().sum(2, keepdim=True) / 2 - scores
    best = distances.flatten(1).topk(min(BEAM, codes.shape[1] * keep), dim=1, largest=False).indices
    way, code = best // keep, found.flatten(1).gather(1, best)
    codes = torch.cat([codes.gather(1, way[..., None].expand(-1, -1, codes.shape[2])), code[..., None]], 2)
    return codes, rest.gather(1, way[..., None].expand(-1, -1, rest.shape[2])) - book[code]
