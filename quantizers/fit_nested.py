"""Fits a nested quantiser: principal components, the coarsest vocabulary by k-means, then each cluster split again.

The last passes move all leaves together, under the search that encoding uses: a point belongs to the nearest leaf, whoever
its parent is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from quantizers.kmeans import Iteration, kmeans
from quantizers.nearest import nearest
from quantizers.nested import ROWS, NestedKMeansQuantizer, descend
from quantizers.points import ArrayPoints

SAMPLE_PER_CENTROID = 256
"""More points than this per coarse cluster change little (faiss stops there, too)."""
LEAF_PASSES = 2
"""Passes over all leaves; three more gave a tenth of what these give, and each costs several coarse ones."""
SPREAD = 0.3
"""Children start this many standard deviations from their parent."""


def fit_nested(
    quantizer: NestedKMeansQuantizer,
    features: np.ndarray | Tensor,
    iterations: int = 15,
    seed: int = 0,
    report: Callable[[int, Iteration], None] | None = None,
    groups: np.ndarray | None = None,
    shares: Sequence[float] = (),
    keep_basis: bool = False,
    weights: Tensor | None = None,
) -> None:
    """Fits in place.

    Args:
        quantizer: whose buffers are filled.
        features: ``(N, dim_in)``.
        iterations: Lloyd passes for the coarsest vocabulary; each split takes a third.
        seed: of everything random.
        report: called after every pass over the coarsest vocabulary.
        groups: ``(N,)`` number of the group (a domain, say) that each feature belongs to. With it every group gets
            coarse codewords of its own, as many as its share, and they are merged into one codebook, as SemantiCodec
            does with sound, speech and music at 2:1:1.
        shares: of each group.
        keep_basis: leave mean and basis as they are, so that networks which know codewords of this space know the new ones.
        weights: ``(dim_in,)`` of each feature's squared differences; what weighs little gets few bits. With ``keep_basis`` the
            space stays but is stretched.

    Raises:
        ValueError: fewer features than codewords, in all or in a group.
    """
    rng = np.random.default_rng(seed)
    weights = torch.ones(features.shape[1]) if weights is None else weights
    if not keep_basis:
        _fit_basis(quantizer, features, weights)
    elif (weights != 1).any():
        _stretch(quantizer, weights)
    limit = SAMPLE_PER_CENTROID * quantizer.vocabs[0]
    chosen = np.sort(rng.choice(len(features), min(limit, len(features)), replace=False))
    points = torch.cat([quantizer.project(piece) for piece in ArrayPoints(features[chosen]).chunks()])
    members = np.zeros(len(points), int) if groups is None else groups[chosen]
    sizes = split_vocab(quantizer.vocabs[0], shares or (1.0,))
    centroids = torch.cat([
        kmeans(points[torch.from_numpy(members == group)], size, iterations, seed=seed, report=report).centroids
        for group, size in enumerate(sizes)
    ])  # fmt: skip
    codes = nearest(points, centroids)[0]
    for coarse, fine in pairwise(quantizer.vocabs):
        centroids, codes = _split_each(points, centroids, codes, fine // coarse, max(3, iterations // 3), rng)
    quantizer.leaves.copy_(centroids)
    for _ in range(LEAF_PASSES):
        _move_leaves(quantizer, points)


def _move_leaves(quantizer: NestedKMeansQuantizer, points: Tensor) -> None:
    """One Lloyd pass over the leaves; those without points stay where they are."""
    tables = [quantizer.table(vocab) for vocab in quantizer.vocabs]
    codes = torch.cat([descend(part, tables)[-1] for part in torch.split(points, ROWS)])
    sums = torch.zeros_like(quantizer.leaves, dtype=torch.float64).index_add_(0, codes, points.double())
    counts = torch.bincount(codes, minlength=len(sums))[:, None]
    quantizer.leaves.copy_(torch.where(counts > 0, sums / counts.clamp_min(1), quantizer.leaves))


def split_vocab(vocab: int, shares: Sequence[float]) -> list[int]:
    """Codewords of each group, in proportion to its share, that add up to the vocabulary.

    Example:
        >>> split_vocab(4096, (2, 1, 1))
        [2048, 1024, 1024]
    """
    edges = np.round(vocab * np.cumsum([0.0, *shares]) / sum(shares)).astype(int)
    return [int(size) for size in np.diff(edges)]


def _fit_basis(quantizer: NestedKMeansQuantizer, features: np.ndarray | Tensor, weights: Tensor) -> None:
    width, scale = features.shape[1], weights.double().sqrt()
    total, products = torch.zeros(width, dtype=torch.float64), torch.zeros(width, width, dtype=torch.float64)
    for piece in ArrayPoints(features).chunks():
        wide = piece.double() * scale
        total += wide.sum(0)
        products += wide.T @ wide
    mean = total / len(features)
    covariance = products / len(features) - mean.outer(mean)
    _, vectors = torch.linalg.eigh(covariance)
    quantizer.mean.copy_(mean / scale)
    quantizer.basis.copy_(scale[:, None] * vectors.flip(1)[:, : quantizer.dim])


def _stretch(quantizer: NestedKMeansQuantizer, weights: Tensor) -> None:
    """Same space, but with distances as the weights have them: the basis times the square root of the metric in it."""
    basis = quantizer.basis.double()
    back = torch.linalg.pinv(basis)
    values, vectors = torch.linalg.eigh((back * weights) @ back.T)
    quantizer.basis.copy_(basis @ (vectors * values.sqrt()) @ vectors.T)


def _split_each(
    points: Tensor, parents: Tensor, codes: Tensor, branches: int, iterations: int, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Splits every cluster into ``branches`` by a small k-means among its own points."""
    k, dim = parents.shape
    spread = torch.zeros(k, dim).index_add_(0, codes, (points - parents[codes]).square())
    spread = (spread / torch.bincount(codes, minlength=k).clamp_min(1)[:, None]).sqrt()
    noise = torch.from_numpy(rng.standard_normal((k, branches, dim)).astype(np.float32))
    children = parents[:, None] + SPREAD * (noise - noise.mean(1, keepdim=True)) * spread[:, None]
    fine = refine(points, codes, children)
    for _ in range(iterations):
        sums = torch.zeros(k * branches, dim, dtype=torch.float64).index_add_(0, fine, points.double())
        counts = torch.bincount(fine, minlength=k * branches)
        means = (sums / counts.clamp_min(1)[:, None]).float()
        children = torch.where((counts > 0)[:, None], means, children.view(-1, dim)).view(k, branches, dim)
        fine = refine(points, codes, children)
    return children.view(-1, dim), fine


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
