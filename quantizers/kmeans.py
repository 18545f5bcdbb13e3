"""Lloyd's k-means over arrays that need not fit into memory: tiled assignment, float64 sums, empty-cluster splitting."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from quantizers.nearest import nearest
from quantizers.nested import NestedKMeansQuantizer, refine

CHUNK = 1 << 17
POINTS_PER_CENTROID = 256


@dataclass(frozen=True)
class Iteration:
    """What one pass over the points found.

    Attributes:
        inertia: mean squared distance to the nearest centroid, before the update.
        empty: clusters that had no point and were refilled by splitting a populous one.
        imbalance: ``k · Σ share²``; 1 when all clusters are equal.
    """

    inertia: float
    empty: int
    imbalance: float


def chunks(points: np.ndarray | Tensor, size: int = CHUNK) -> Iterator[Tensor]:
    """Float32 pieces of an array, memory map or tensor ``(N, D)``."""
    for start in range(0, len(points), size):
        piece = points[start : start + size]
        yield piece.float() if isinstance(piece, Tensor) else torch.from_numpy(np.asarray(piece, np.float32))


def lloyd(
    points: np.ndarray | Tensor,
    k: int,
    iterations: int = 25,
    seed: int = 0,
    report: Callable[[int, Iteration], None] | None = None,
    init: Tensor | None = None,
) -> Tensor:
    """Clusters ``(N, D)`` points; memory is O(chunk + K·D).

    Args:
        points: array, memory map or tensor.
        k: number of clusters.
        iterations: passes over the points.
        seed: of initial centroids and splits.
        report: called after every pass.
        init: ``(k, D)`` first centroids; default: points drawn at random.

    Returns:
        ``(k, D)`` float32 centroids.

    Raises:
        ValueError: fewer points than clusters, or points that are not finite.
    """
    if len(points) < k:
        raise ValueError(f"{len(points)} points cannot form {k} clusters")
    rng = np.random.default_rng(seed)
    centroids = _draw(points, k, rng) if init is None else init.float().clone()
    for number in range(iterations):
        sums = torch.zeros(k, centroids.shape[1], dtype=torch.float64)
        counts = torch.zeros(k, dtype=torch.float64)
        inertia = 0.0
        for piece in chunks(points):
            codes, distances = nearest(piece, centroids)
            sums.index_add_(0, codes, piece.double())
            counts += torch.bincount(codes, minlength=k)
            inertia += distances.double().sum().item()
        if not np.isfinite(inertia):
            raise ValueError("points hold NaN or infinite values")
        filled = counts > 0
        centroids[filled] = (sums[filled] / counts[filled, None]).float()
        empty = int((~filled).sum())
        if empty:
            split_populous(centroids, counts, rng)
        if report:
            share = counts / counts.sum()
            report(number, Iteration(inertia / len(points), empty, float(k * share.square().sum())))
    return centroids


def _draw(points: np.ndarray | Tensor, k: int, rng: np.random.Generator) -> Tensor:
    chosen = np.sort(rng.choice(len(points), k, replace=False))
    return next(chunks(points[torch.from_numpy(chosen)] if isinstance(points, Tensor) else points[chosen], k))


def split_populous(centroids: Tensor, counts: Tensor, rng: np.random.Generator) -> None:
    """Refills empty clusters in place: each takes half of a cluster drawn in proportion to its size (as faiss does)."""
    epsilon = 1 / 1024
    for index in torch.nonzero(counts == 0)[:, 0].tolist():
        weights = (counts - 1).clamp_min(0).numpy()
        if weights.sum() == 0:  # as many distinct points as clusters: nothing left to split
            return
        donor = int(rng.choice(len(weights), p=weights / weights.sum()))
        sign = torch.ones(centroids.shape[1])
        sign[::2] = -1
        centroids[index] = centroids[donor] * (1 + epsilon * sign)
        centroids[donor] = centroids[donor] * (1 - epsilon * sign)
        counts[index] = counts[donor] / 2
        counts[donor] /= 2


def fit_nested(
    quantizer: NestedKMeansQuantizer,
    features: np.ndarray | Tensor,
    iterations: int = 15,
    seed: int = 0,
    report: Callable[[int, Iteration], None] | None = None,
) -> None:
    """Fits principal components, the coarsest vocabulary, and its refinements, in place.

    Args:
        quantizer: whose buffers are filled.
        features: ``(N, dim_in)``.
        iterations: Lloyd passes for the coarsest vocabulary; each refinement takes a third.
        seed: of everything random.
        report: called after every pass over the coarsest vocabulary.
    """
    rng = np.random.default_rng(seed)
    _fit_basis(quantizer, features)
    limit = POINTS_PER_CENTROID * quantizer.vocabs[0]
    chosen = np.sort(rng.choice(len(features), min(limit, len(features)), replace=False))
    points = torch.cat([quantizer.project(piece) for piece in chunks(features[chosen])])
    centroids = lloyd(points, quantizer.vocabs[0], iterations, seed, report)
    codes = nearest(points, centroids)[0]
    for coarse, fine in pairwise(quantizer.vocabs):
        centroids, codes = _split_each(points, centroids, codes, fine // coarse, max(3, iterations // 3), rng)
    quantizer.leaves.copy_(centroids)


def _fit_basis(quantizer: NestedKMeansQuantizer, features: np.ndarray | Tensor) -> None:
    width = features.shape[1]
    total, products = torch.zeros(width, dtype=torch.float64), torch.zeros(width, width, dtype=torch.float64)
    for piece in chunks(features):
        wide = piece.double()
        total += wide.sum(0)
        products += wide.T @ wide
    mean = total / len(features)
    covariance = products / len(features) - mean.outer(mean)
    _, vectors = torch.linalg.eigh(covariance)
    quantizer.mean.copy_(mean)
    quantizer.basis.copy_(vectors.flip(1)[:, : quantizer.dim])


def _split_each(
    points: Tensor, parents: Tensor, codes: Tensor, branches: int, iterations: int, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Splits every cluster into ``branches`` by a small k-means among its own points."""
    k, dim = parents.shape
    spread = torch.zeros(k, dim).index_add_(0, codes, (points - parents[codes]).square())
    spread = (spread / torch.bincount(codes, minlength=k).clamp_min(1)[:, None]).sqrt()
    noise = torch.from_numpy(rng.standard_normal((k, branches, dim)).astype(np.float32))
    children = parents[:, None] + 0.3 * (noise - noise.mean(1, keepdim=True)) * spread[:, None]
    fine = refine(points, codes, children)
    for _ in range(iterations):
        sums = torch.zeros(k * branches, dim, dtype=torch.float64).index_add_(0, fine, points.double())
        counts = torch.bincount(fine, minlength=k * branches)
        means = (sums / counts.clamp_min(1)[:, None]).float()
        children = torch.where((counts > 0)[:, None], means, children.view(-1, dim)).view(k, branches, dim)
        fine = refine(points, codes, children)
    return children.view(-1, dim), fine
