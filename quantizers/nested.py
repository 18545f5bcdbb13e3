"""A k-means vector quantiser whose vocabularies are refinements of one another.

Every codeword of a vocabulary splits into the same number of codewords of the next one, so one table serves all
vocabularies and a fine code without its last bits is a coarse one (tree-structured vector quantisation, Buzo et al. 1980).
A search goes down with the few nearest codewords of every level instead of one, which finds nearly what a look at all leaves
would.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from quantizers.nearest import nearest
from quantizers.precision import full_precision
from quantizers.result import Quantized

BEAM = 8
"""Codewords of every level whose children are looked at."""
ROWS = 1024
"""Points searched at a time: scores of 8192 at once no longer fit a processor's cache, and take twice as long each."""


class NestedKMeansQuantizer(nn.Module):
    """Projects features to principal components and finds their codeword.

    Args:
        dim_in: width of the features.
        dim: width of the clustered space.
        vocabs: ascending vocabulary sizes, each a multiple of the one before.

    Buffers:
        mean: ``(dim_in,)`` of the training features.
        basis: ``(dim_in, dim)``, orthonormal unless some features weigh more than others.
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
        self._kept: tuple[Tensor, int, dict[int, Tensor]] = (self.leaves, -1, {})

    @property
    def dim(self) -> int:
        """Width of codewords."""
        return self.leaves.shape[1]

    def table(self, vocab: int) -> Tensor:
        """``(vocab, dim)`` codewords; those of smaller vocabularies are the means of their leaves.

        They are kept until the leaves change: a clip of half a second would spend a quarter of its encoding on averaging them.

        Raises:
            ValueError: no such vocabulary.
        """
        self._check(vocab)
        if vocab == self.vocabs[-1]:
            return self.leaves
        if self.leaves.is_inference():  # does not tell when it changes
            return self._coarse(vocab)
        leaves, version, tables = self._kept
        if leaves is not self.leaves or version != self.leaves._version:
            leaves, version, tables = self._kept = (self.leaves, self.leaves._version, {})
        if vocab not in tables:
            with torch.inference_mode(False):  # or a later training could not use it
                tables[vocab] = self._coarse(vocab)
        return tables[vocab]

    def _coarse(self, vocab: int) -> Tensor:
        return self.leaves.view(vocab, -1, self.dim).mean(1)

    def _check(self, vocab: int) -> None:
        if vocab not in self.vocabs:
            raise ValueError(f"vocabulary {vocab} is none of {', '.join(map(str, self.vocabs))}")

    def project(self, features: Tensor) -> Tensor:
        """``(…, dim_in)`` → ``(…, dim)``, in single precision also under autocast."""
        with full_precision(features.device):
            return (features - self.mean) @ self.basis

    def encode(self, features: Tensor, vocab: int) -> Tensor:
        """``(…, dim_in)`` features → ``(…)`` int64 codes below ``vocab``."""
        self._check(vocab)
        points = self.project(features).reshape(-1, self.dim)
        tables = [self.table(size) for size in self.vocabs if size <= vocab]
        with full_precision(features.device):
            if len(tables) == 1:
                return nearest(points, tables[0])[0].reshape(features.shape[:-1])
            return torch.cat([descend(part, tables)[-1] for part in torch.split(points, ROWS)]).reshape(features.shape[:-1])

    def candidates(self, features: Tensor, vocab: int, count: int) -> tuple[Tensor, Tensor]:
        """``(…, dim_in)`` features → ``(…, C)`` codes below ``vocab`` that are near, and squared distances: `candidates`."""
        self._check(vocab)
        points = self.project(features).reshape(-1, self.dim)
        tables = [self.table(size) for size in self.vocabs if size <= vocab]
        with full_precision(features.device):
            found = [candidates(part, tables, count) for part in torch.split(points, ROWS)]
        codes, distances = (torch.cat(parts).unflatten(0, features.shape[:-1]) for parts in zip(*found, strict=True))
        return codes, distances

    def encode_all(self, features: Tensor) -> Tensor:
        """``(…, dim_in)`` features → ``(V, …)`` codes of every vocabulary, as `encode` finds them, in one search."""
        points = self.project(features).reshape(-1, self.dim)
        tables = [self.table(vocab) for vocab in self.vocabs]
        with full_precision(features.device):
            found = [torch.stack(descend(part, tables)) for part in torch.split(points, ROWS)]
        return torch.cat(found, dim=1).reshape(-1, *features.shape[:-1])

    def decode(self, codes: Tensor, vocab: int) -> Tensor:
        """``(…)`` codes → ``(…, dim)`` codewords."""
        return self.table(vocab)[codes]

    def forward(self, features: Tensor, vocab: int) -> Quantized:
        """Encodes and looks up; nothing is learned here, so no gradient passes."""
        with torch.no_grad():
            codes = self.encode(features, vocab)
            return Quantized(self.decode(codes, vocab), codes)


def descend(points: Tensor, tables: Sequence[Tensor]) -> list[Tensor]:
    """Codes of every table, by way of the `BEAM` nearest codewords of each coarser one.

    Args:
        points: ``(N, D)``.
        tables: ``(K, D)`` each, coarsest first; the children of a codeword lie side by side in the next table.

    Returns:
        ``(N,)`` int64 for each table.
    """
    codes = _coarsest(points, tables[0], BEAM)
    nearest_codes = [codes[:, 0]]
    for coarse, fine in pairwise(tables):
        codes, distances = _children(points, codes, coarse, fine)
        codes = _kept(codes, distances, BEAM if fine is not tables[-1] else 1)
        nearest_codes.append(codes[:, 0])
    return nearest_codes


def candidates(points: Tensor, tables: Sequence[Tensor], count: int) -> tuple[Tensor, Tensor]:
    """Codes of the last table that are near to points, found as `descend` finds the nearest one.

    Args:
        points: ``(N, D)``.
        tables: ``(K, D)`` each, coarsest first; the children of a codeword lie side by side in the next table.
        count: codes to look for, at least.

    Returns:
        ``(N, C)`` int64 codes in no order, the nearest one among them, and their squared distances; C is below ``count`` only
        where there are no more codes.

    Example:
        >>> points, table = torch.tensor([[0.0], [1.2]]), torch.tensor([[0.0], [1.0], [2.0]])
        >>> [found.tolist() for found in candidates(points, [table], 2)[0].sort()[0]]
        [[0, 1], [1, 2]]
    """
    branches = [len(fine) // len(coarse) for coarse, fine in pairwise(tables)]
    widths = [max(BEAM, -(-count // each)) for each in branches]
    codes = _coarsest(points, tables[0], widths[0] if widths else count)
    distances = (tables[0][codes] - points.unsqueeze(1)).pow(2).sum(2)
    for number, (coarse, fine) in enumerate(pairwise(tables)):
        codes = codes if not number else _kept(codes, distances, widths[number])
        codes, distances = _children(points, codes, coarse, fine)
    return codes, distances


def _coarsest(points: Tensor, table: Tensor, count: int) -> Tensor:
    """``(N, count)`` nearest codes of the coarsest table, or fewer where it is smaller; the nearest comes first."""
    scores = points @ table.T - table.pow(2).sum(1) / 2
    return scores.topk(min(count, len(table)), dim=1).indices


def _children(points: Tensor, codes: Tensor, coarse: Tensor, fine: Tensor) -> tuple[Tensor, Tensor]:
    """Codes ``(N, W)`` → those of all their children in the next table, and these ones' squared distances."""
    branches = len(fine) // len(coarse)
    codes = (codes.unsqueeze(2) * branches + torch.arange(branches, device=codes.device)).flatten(1)
    return codes, (fine[codes] - points.unsqueeze(1)).pow(2).sum(2)


def _kept(codes: Tensor, distances: Tensor, count: int) -> Tensor:
    """The ``count`` nearest of codes ``(N, W)``, the nearest first."""
    return codes.gather(1, distances.topk(min(count, codes.shape[1]), dim=1, largest=False).indices)
