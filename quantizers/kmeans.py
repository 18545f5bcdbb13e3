"""Large-scale k-means: exact Lloyd passes over points that need not fit into memory, on one process or many.

Assignment is tiled and leaves out what cannot have changed, sums are float64, memory is O(chunk + K·D) and at most a quarter of
a gigabyte for bounds. Under ``torch.distributed`` every rank holds its own points; a pass reduces K·(D+1) numbers, and N
ranks find what one would.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from quantizers.bounds import BoundedSearch
from quantizers.clustering import Clustering, Iteration
from quantizers.collective import distinct, gather_rows, reduce_sum, world
from quantizers.points import AnyPoints, Points, prepared
from quantizers.seeding import Init, beginning, count_for
from quantizers.usage import entropy_of

POINTS_PER_CENTROID = 39
"""With fewer points than this per cluster, centroids describe single points more than clusters (faiss warns there, too)."""
ROWS = 1 << 13
"""Points that are summed at once."""
KNOWN_POINTS = 64
"""So many of the points are kept in a checkpoint, which is refused where others come first."""


def kmeans(
    points: AnyPoints,
    k: int,
    iterations: int = 25,
    *,
    weights: np.ndarray | Tensor | None = None,
    init: Init | np.ndarray | Tensor = "random",
    tolerance: float = 0.0,
    spherical: bool = False,
    seed: int = 0,
    checkpoint: str | Path | None = None,
    report: Callable[[int, Iteration], None] | None = None,
) -> Clustering:
    """Clusters points by Lloyd's algorithm.

    Args:
        points: array, memory map, tensor, list of those, or `quantizers.points.Points`; this rank's share of them.
        k: number of clusters.
        iterations: most passes.
        weights: ``(N,)`` of the points in their order; all count alike by default. First centroids are chosen without them.
        init: how to choose first centroids, or ``(k, D)`` of them.
        tolerance: stop when a pass lowers the inertia by less than this share.
        spherical: cluster directions: points and centroids are scaled to length 1.
        seed: of everything random.
        checkpoint: file that is written after every pass, and gone on from if it exists.
        report: called after every pass.

    Distances are computed where the points lie; centroids come back on the processor. Fewer distinct points than clusters
    are worth a warning.

    Raises:
        ValueError: fewer points than clusters, no pass, points that are not finite, a wrong ``init``, weights that do not
            fit or go with a checkpoint, or a checkpoint that is damaged or of another clustering.

    Example:
        >>> points = torch.randn(1000, 8)
        >>> kmeans(points, k=10, iterations=5).centroids.shape
        torch.Size([10, 8])
    """
    if iterations < 1:
        raise ValueError(f"{iterations} iterations; at least one pass is needed")
    source = prepared(points, spherical)
    scales = None if weights is None else checked_weights(weights, len(source))
    if scales is not None and checkpoint is not None:
        raise ValueError("checkpoints do not know of weights; leave one of them out")
    found, search = _start(source, k, init, spherical, seed, checkpoint), BoundedSearch()
    while len(found.iterations) < iterations and not _settled(found.iterations, tolerance):
        found = _pass(source, found, search, scales)
        if checkpoint is not None and world()[0] == 0:
            found.save(checkpoint)
        if report:
            report(len(found.iterations) - 1, found.iterations[-1])
    if found.iterations and found.iterations[-1].empty:
        _warn_of_copies(source, k)
    return found


def _start(
    source: Points, k: int, init: Init | np.ndarray | Tensor, spherical: bool, seed: int, checkpoint: str | Path | None
) -> Clustering:
    """First centroids, or where the checkpoint is."""
    total = count_for(source, k)
    if total < POINTS_PER_CENTROID * k:
        warnings.warn(f"{total} points for {k} clusters: fewer than {POINTS_PER_CENTROID} each", stacklevel=3)
    first = gather_rows(source, np.arange(min(total, KNOWN_POINTS)))
    fresh = Clustering(torch.empty(k, source.dim), [], total, seed, spherical, first)
    if checkpoint is not None and _exists(Path(checkpoint)):
        return Clustering.resume(Path(checkpoint), fresh)
    return replace(fresh, centroids=beginning(source, k, init, np.random.default_rng(seed), spherical))


def _exists(checkpoint: Path) -> bool:
    """Whether there is a checkpoint, which all ranks must agree on: some would start anew while others go on."""
    seen = torch.tensor([float(checkpoint.exists())])
    reduce_sum(seen)
    if 0 < seen.item() < world()[1]:
        raise ValueError(f"{checkpoint}: seen by some processes only; put it where all of them can read it")
    return seen.item() > 0


def _settled(history: list[Iteration], tolerance: float) -> bool:
    return len(history) > 1 and history[-1].change < tolerance


def _warn_of_copies(source: Points, k: int) -> None:
    found = distinct(source.chunks(), k)
    if found < k:
        what = "distinct point" if found == 1 else "distinct points"
        warnings.warn(f"{found} {what} for {k} clusters: the other {k - found} centroids are near copies", stacklevel=3)


def checked_weights(weights: np.ndarray | Tensor, count: int) -> Tensor:
    """Weights of points as ``(count,)`` float64.

    Raises:
        ValueError: another number of them, negative or not finite ones, or none above 0.
    """
    found = torch.as_tensor(weights, dtype=torch.float64).cpu()
    if found.shape != (count,):
        raise ValueError(f"weights of shape {tuple(found.shape)} for {count} points")
    if not torch.isfinite(found).all() or (found < 0).any() or not (found > 0).any():
        raise ValueError("weights must be finite numbers from 0 on, and not all of them zero")
    return found


def _pass(source: Points, found: Clustering, search: BoundedSearch, weights: Tensor | None = None) -> Clustering:
    """One assignment and update, over all ranks."""
    started = time.perf_counter()
    centroids, history = found.centroids, found.iterations
    sums, sizes, inertia = _assign(source, centroids, search, weights)
    moved = centroids.clone()
    filled = sizes > 0
    moved[filled] = (sums[filled] / sizes[filled, None]).float()
    moved = _directions(moved, found.spherical)
    shifts = (moved - centroids).square().sum(1).sqrt()
    total, share, empty = sizes.sum().item(), sizes / sizes.sum(), int((~filled).sum())
    if empty:
        counts = sizes * (found.points / total)  # weights may be of any scale
        split_populous(moved, counts, np.random.default_rng((found.seed, len(history))))
        moved = _directions(moved, found.spherical)
    search.moved(centroids, moved)
    mean, before = inertia / total, history[-1].inertia if history else 0.0
    seconds = time.perf_counter() - started
    iteration = Iteration(
        inertia=mean,
        change=(before - mean) / before if before else 0.0,
        shift=shifts.max().item(),
        mean_shift=shifts.mean().item(),
        empty=empty,
        imbalance=len(centroids) * share.square().sum().item(),
        entropy=entropy_of(share),
        seconds=seconds,
        points_per_second=found.points / seconds,
    )
    return replace(found, centroids=moved, iterations=[*history, iteration])


def _assign(source: Points, centroids: Tensor, search: BoundedSearch, weights: Tensor | None) -> tuple[Tensor, Tensor, float]:
    """Sum and number (or weight) of each cluster's points, and the sum of squared distances, over all ranks."""
    k = len(centroids)
    sums = torch.zeros(k, source.dim, dtype=torch.float64)
    sizes, inertia = torch.zeros(k, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    start = 0
    for number, rows in enumerate(source.chunks()):
        sums, sizes, inertia = (part.to(rows.device) for part in (sums, sizes, inertia))
        codes, distances = search.nearest(number, rows, centroids.to(rows.device))
        scale = None if weights is None else weights[start : start + len(rows)].to(rows.device)
        start += len(rows)
        for first in range(0, len(rows), ROWS):  # memory of doubled points is soon used again
            part = slice(first, first + ROWS)
            doubled = rows[part].double()
            sums.index_add_(0, codes[part], doubled if scale is None else doubled * scale[part, None])
        sizes += torch.bincount(codes, scale, minlength=k)
        inertia += (distances.double() if scale is None else distances.double() * scale).sum()
    reduce_sum(sums, sizes, inertia)
    if not torch.isfinite(inertia):
        raise ValueError("points hold NaN or infinite values")
    return sums.cpu(), sizes.cpu(), inertia.item()


def _directions(points: Tensor, spherical: bool) -> Tensor:
    return torch.nn.functional.normalize(points, dim=1) if spherical else points


def means_of(points: Tensor, codes: Tensor, centroids: Tensor, weights: Tensor | None = None) -> Tensor:
    """Centroids after the update of one pass over points in memory; those without points stay where they are.

    Args:
        points: ``(N, D)``.
        codes: ``(N,)`` number of each point's cluster.
        centroids: ``(K, D)`` of before.
        weights: ``(N,)`` of points; all count alike by default.

    Returns:
        ``(K, D)`` in the precision of ``centroids``; sums are float64.

    Example:
        >>> means_of(torch.tensor([[1.0], [3.0]]), torch.tensor([1, 1]), torch.zeros(3, 1)).tolist()
        [[0.0], [2.0], [0.0]]
    """
    weighted = points.double() if weights is None else points.double() * weights[:, None]
    sums = torch.zeros_like(centroids, dtype=torch.float64).index_add_(0, codes, weighted)
    counts = torch.bincount(codes, weights, minlength=len(centroids))[:, None]
    return torch.where(counts > 0, sums / counts, centroids).to(centroids.dtype)


def split_populous(centroids: Tensor, sizes: Tensor, rng: np.random.Generator) -> None:
    """Refills empty clusters in place: each takes half of a cluster drawn in proportion to its size (as faiss does)."""
    epsilon = 1 / 1024
    sign = torch.ones(centroids.shape[1])
    sign[::2] = -1
    for index in torch.nonzero(sizes == 0)[:, 0].tolist():
        weights = (sizes - 1).clamp_min(0).numpy()
        if weights.sum() == 0:  # as many distinct points as clusters: nothing left to split
            return
        donor = int(rng.choice(len(weights), p=weights / weights.sum()))
        centroids[index] = centroids[donor] * (1 + epsilon * sign)
        centroids[donor] = centroids[donor] * (1 - epsilon * sign)
        sizes[index] = sizes[donor] / 2
        sizes[donor] /= 2
