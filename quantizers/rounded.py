"""How far points are from codewords, within bounds, from products of bfloat16 numbers.

Some processors have instructions that multiply matrices of bfloat16 numbers, much faster than those of float32 ones. Points and
codewords that are rounded move by known distances, so the distance between rounded ones tells that of the true ones up to the
sum of both (the triangle inequality), and few codewords are left to be compared in full.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping

import torch
from torch import Tensor

PARTS = 2
"""Numbers of bfloat16 whose sum stands for one of float32."""
OUTPUT = 2.0**-8
"""How far rounding a sum of products to bfloat16 may move it, as a share of it: twice what is needed."""
SUMS = 2.0**-22
"""How far rounding moves a sum in float32, as a share of all squares and for each of its terms: twice what is needed."""
SQUARES = 2.0**-16
"""What two parts leave out, as a share of all squares: twice it."""


@functools.cache
def gains_from_rounding() -> bool:
    """Whether this processor has bfloat16 matrix instructions; a torch that cannot tell goes on in float32."""
    capabilities: Mapping[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("amx_bf16"))


class Rounded:
    """Vectors as bfloat16 numbers, with their squares behind them, so that one product gives half of a squared distance.

    Args:
        vectors: ``(N, D)`` float32.
        right: whether these stand on the right of the product: of points and codewords, one does.

    Attributes:
        rows: ``(N, D + 2 · PARTS)`` bfloat16.
        half_squares: ``(N,)`` half the squares of the rounded vectors.
        moved: ``(N,)`` how far rounding moved each.
        finite: whether all squares are numbers; of others, nothing is known.
    """

    def __init__(self, vectors: Tensor, right: bool = False) -> None:
        near = vectors.bfloat16()
        exact = near.float()
        self.half_squares = exact.square().sum(1) / 2
        self.moved = (vectors - exact).square().sum(1).sqrt()
        self.finite = bool(torch.isfinite(self.half_squares).all())
        squares, ones = _parts(self.half_squares), torch.ones(len(near), PARTS, dtype=near.dtype)
        self.rows = torch.cat([near, ones, squares] if right else [-near, squares, ones], dim=1)


def _parts(values: Tensor) -> Tensor:
    """``(N, PARTS)`` bfloat16 numbers whose sums are nearly ``values``."""
    parts = []
    for _ in range(PARTS):
        parts.append(values.bfloat16())
        values = values - parts[-1].float()
    return torch.stack(parts, dim=1)


class RoundedTiles(Rounded):
    """A codebook, rounded; what all codewords have in common is left out, since large numbers lose more by rounding.

    Args:
        codebook: ``(K, D)`` float32.
        tile: codewords that share bounds.

    Attributes:
        centre: ``(D,)`` mean of the codewords.
        most_half_square: ``(G,)`` of each tile.
        most_moved: ``(G,)`` likewise.
    """

    def __init__(self, codebook: Tensor, tile: int) -> None:
        self.centre = codebook.mean(0)
        super().__init__(codebook - self.centre, right=True)
        self.most_half_square, self.most_moved = (
            torch.stack([part.amax() for part in torch.split(values, tile)]) for values in (self.half_squares, self.moved)
        )


class RoundedBlock:
    """A block of points, so few that their products with a tile of codewords stay in a processor's cache.

    Args:
        points: ``(N, D)`` float32.
        codebook: rounded.

    Attributes:
        finite: whether squares of all of these are numbers; of others, nothing is known.

    Example:
        >>> points, codebook = torch.tensor([[1.0, 2.0]]), torch.tensor([[1.0, 5.1], [9.0, 9.0]])
        >>> block = RoundedBlock(points, RoundedTiles(codebook, tile=2))
        >>> least, most = block.between(block.lowest(slice(0, 2))[None])
        >>> bool(least < 3.1 < most)
        True
    """

    def __init__(self, points: Tensor, codebook: RoundedTiles) -> None:
        self._points, self._codebook = Rounded(points - codebook.centre), codebook
        self.finite = self._points.finite and codebook.finite
        self._room = torch.empty(0, dtype=torch.bfloat16)

    def halves(self, which: slice | Tensor, rows: Tensor | None = None) -> Tensor:
        """Half the squared distances between rounded vectors: ``(N, M)`` int16, valid until the next call.

        They are the bits of bfloat16 numbers, which have the order of the numbers where none is below zero.

        Args:
            which: codewords that are looked at.
            rows: points that are looked at; all by default.
        """
        left = self._points.rows if rows is None else self._points.rows[rows]
        right = self._codebook.rows[which]
        if self._room.numel() < len(left) * len(right):
            self._room = left.new_empty(len(self._points.rows) * len(right))
        out = self._room[: len(left) * len(right)].view(len(left), len(right))
        return torch.mm(left, right.T, out=out).view(torch.int16)

    def lowest(self, which: slice | Tensor, rows: Tensor | None = None) -> Tensor:
        """The lowest of `halves` for each point: ``(N,)`` int16."""
        return self.halves(which, rows).amin(1)

    def between(self, lowest: Tensor, tiles: slice | Tensor = slice(None)) -> tuple[Tensor, Tensor]:
        """The least and the most that distances to the nearest of some codewords can be: ``(G, N)`` and ``(G, N)`` float32.

        Args:
            lowest: of all points and some codewords of each tile, ``(G, N)``.
            tiles: which ones these are.
        """
        # A number below zero is one that errors took there, and any of those may be taken for the lowest.
        half = lowest.view(torch.bfloat16).float()
        squares = self._points.half_squares + self._codebook.most_half_square[tiles, None]
        off = half.abs() * OUTPUT + squares * (SUMS * self._points.rows.shape[1] + SQUARES)
        apart = self._points.moved + self._codebook.most_moved[tiles, None]
        least = (2 * (half - off)).clamp_min(0).sqrt() - apart
        return least.clamp_min(0), (2 * (half + off)).clamp_min(0).sqrt() + apart
