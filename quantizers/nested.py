"""A k-means vector quantiser whose vocabularies are refinements of one another.

Every codeword of a vocabulary splits into the same number of codewords of the next one, so the leading bits of a
fine code are its coarse code, one table serves all vocabularies, and a search looks at the coarse codewords and
then only at the children of the winner (tree-structured vector quantisation, Buzo et al. 1980).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from quantizers.nearest import nearest
from quantizers.result import Quantized


class NestedKMeansQuantizer(nn.Module):
    """Projects features to principal components and finds their codeword.

    Args:
        dim_in: width of the features.
        dim: width of the clustered space.
        vocabs: ascending vocabulary sizes, each a multiple of the one before.

    Buffers:
        mean: ``(dim_in,)`` of the training features.
        basis: ``(dim_in, dim)`` orthonormal.
        leaves: ``(vocabs[-1], dim)`` codewords of the largest vocabulary, children of one parent side by side.

    Raises:
        ValueError: the vocabularies do not nest.

    Example:
        >>> quantizer = NestedKMeansQuantizer(4, 2, (2, 8))
        >>> quantizer.table(2).shape
        torch.Size([2, 2])
    """

    mean: Tensor
    basis: Tensor
    leaves: Tensor

    def __init__(self, dim_in: int, dim: int, vocabs: Sequence[int]) -> None:
        super().__init__()
        if any(fine % coarse or fine <= coarse for coarse, fine in pairwise(vocabs)):
            raise ValueError(f"vocabularies {tuple(vocabs)} do not nest: each must be a multiple of the one before")
        self.vocabs = tuple(vocabs)
        self.register_buffer("mean", torch.zeros(dim_in))
        self.register_buffer("basis", torch.eye(dim_in, dim))
        self.register_buffer("leaves", torch.zeros(vocabs[-1], dim))

    @property
    def dim(self) -> int:
        """Width of codewords."""
        return self.leaves.shape[1]

    def table(self, vocab: int) -> Tensor:
        """``(vocab, dim)`` codewords; those of smaller vocabularies are the means of their leaves.

        Raises:
            ValueError: no such vocabulary.
        """
        self._check(vocab)
        return self.leaves.view(vocab, -1, self.dim).mean(1)

    def _check(self, vocab: int) -> None:
        if vocab not in self.vocabs:
            raise ValueError(f"vocabulary {vocab} is none of {', '.join(map(str, self.vocabs))}")

    def project(self, features: Tensor) -> Tensor:
        """``(…, dim_in)`` → ``(…, dim)``."""
        return (features - self.mean) @ self.basis

    def encode(self, features: Tensor, vocab: int) -> Tensor:
        """``(…, dim_in)`` features → ``(…)`` int64 codes below ``vocab``."""
        self._check(vocab)
        points = self.project(features).reshape(-1, self.dim)
        codes = nearest(points, self.table(self.vocabs[0]))[0]
        for coarse, fine in pairwise(self.vocabs):
            if coarse >= vocab:
                break
            codes = refine(points, codes, self.table(fine).view(coarse, fine // coarse, self.dim))
        return codes.reshape(features.shape[:-1])

    def decode(self, codes: Tensor, vocab: int) -> Tensor:
        """``(…)`` codes → ``(…, dim)`` codewords."""
        return self.table(vocab)[codes]

    def forward(self, features: Tensor, vocab: int) -> Quantized:
        """Encodes and looks up; nothing is learned here, so no gradient passes."""
        with torch.no_grad():
            codes = self.encode(features, vocab)
            return Quantized(self.decode(codes, vocab), codes)


def refine(points: Tensor, parents: Tensor, children: Tensor) -> Tensor:
    """Codes one level down: among the children of each point's parent, the nearest.

    Args:
        points: ``(N, D)``.
        parents: ``(N,)``.
        children: ``(parents, branches, D)``.
    """
    branches = children.shape[1]
    codes = torch.empty_like(parents)
    for rows in range(0, len(points), 65_536):
        part = slice(rows, rows + 65_536)
        distance = (children[parents[part]] - points[part].unsqueeze(1)).pow(2).sum(-1)
        codes[part] = parents[part] * branches + distance.argmin(1)
    return codes
