"""Large-scale k-means: exact Lloyd passes over points that need not fit into memory, on one process or many.

Assignment is tiled and leaves out what cannot have changed, sums are float64, memory is O(chunk + K·D) and at most a quarter of
a gigabyte for bounds. Under ``torch.distributed`` every rank holds its own points; a pass reduces K·(D+1) numbers, and N
ranks find what one would.
"""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from quantizers.bounds import BoundedSearch
from quantizers.collective import counts as ranks_counts
from quantizers.collective import reduce_sum, world
from quantizers.nearest import nearest
from quantizers.points import AnyPoints, Points, as_points
from quantizers.seeding import Init, first_centroids

POINTS_PER_CENTROID = 39
"""With fewer points than this per cluster, centroids describe single points more than clusters (faiss warns there, too)."""


@dataclass(frozen=True)
class Iteration:
    """What one pass over the points found.

    Attributes:
        inertia: mean squared distance to the nearest centroid, before the update.
        shift: largest distance that a centroid moved.
        empty: clusters without a point, refilled by splitting populous ones.
        imbalance: ``k · Σ share²``; 1 when all clusters are equal.
        points_per_second: over all ranks.
    """

    inertia: float
    shift: float
    empty: int
    imbalance: float
    points_per_second: float


@dataclass(frozen=True)
class Clustering:
    """A fitted k-means.

    Attributes:
        centroids: ``(k, D)`` float32.
        iterations: report of every pass.
        points: number of points, over all ranks.
        seed: of everything random.
    """

    centroids: Tensor
    iterations: list[Iteration] = field(default_factory=list)
    points: int = 0
    seed: int = 0

    def predict(self, points: AnyPoints) -> Tensor:
        """Index of the nearest centroid for each point, ``(N,)`` int64."""
        pieces = as_points(points).chunks()
        return torch.cat([nearest(piece, self.centroids.to(piece.device))[0].cpu() for piece in pieces])

    def save(self, path: str | Path) -> None:
        """Writes centroids and their history as safetensors, under the name only when all is written."""
        about = {"points": self.points, "seed": self.seed, "iterations": [asdict(i) for i in self.iterations]}
        staged = Path(f"{path}.new")
        save_file({"centroids": self.centroids.contiguous()}, str(staged), metadata={"kmeans": json.dumps(about)})
        staged.replace(path)

    @staticmethod
    def load(path: str | Path) -> Clustering:
        """Reads what `save` wrote.

        Raises:
            ValueError: it is no such file, or a damaged one.
        """
        try:
            with safe_open(str(path), "pt") as file:
                about = json.loads(file.metadata()["kmeans"])
                history = [Iteration(**row) for row in about["iterations"]]
                return Clustering(file.get_tensor("centroids"), history, about["points"], about["seed"])
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path}: not a k-means checkpoint ({type(error).__name__}: {error})") from error


def kmeans(
    points: AnyPoints,
    k: int,
    iterations: int = 25,
    init: Init | Tensor = "random",
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
        init: how to choose first centroids, or ``(k, D)`` of them.
        tolerance: stop when a pass lowers the inertia by less than this share.
        spherical: cluster directions: points and centroids are scaled to length 1.
        seed: of everything random.
        checkpoint: file that is written after every pass, and gone on from if it exists.
        report: called after every pass.

    Distances are computed where the points lie; centroids come back on the processor.

    Raises:
        ValueError: fewer points than clusters, points that are not finite, a wrong ``init``, or a checkpoint that is
            damaged or of another clustering.

    Example:
        >>> points = torch.randn(1000, 8)
        >>> kmeans(points, k=10, iterations=5).centroids.shape
        torch.Size([10, 8])
    """
    source = as_points(points)
    total = sum(ranks_counts(len(source)))
    if total < k:
        raise ValueError(f"{total} points cannot form {k} clusters")
    if total < POINTS_PER_CENTROID * k:
        warnings.warn(f"{total} points for {k} clusters: fewer than {POINTS_PER_CENTROID} each", stacklevel=2)
    rng = np.random.default_rng(seed)
    history: list[Iteration] = []
    if checkpoint is not None and Path(checkpoint).exists():
        resumed = Clustering.load(checkpoint)
        if (resumed.points, resumed.seed) != (total, seed):
            there = f"{resumed.points} points with seed {resumed.seed}"
            raise ValueError(f"{checkpoint}: of {there}, not of {total} with seed {seed}; delete it to start anew")
        centroids, history = resumed.centroids, resumed.iterations
    else:
        centroids = _directions(
            init.float().clone() if isinstance(init, Tensor) else first_centroids(source, k, init, rng), spherical
        )
    if centroids.shape != (k, source.dim):
        raise ValueError(f"centroids of shape {tuple(centroids.shape)} where {(k, source.dim)} are needed")
    search = BoundedSearch()
    while len(history) < iterations and not _settled(history, tolerance):
        before = centroids
        centroids, iteration = _pass(source, before, search, spherical, np.random.default_rng((seed, len(history))))
        search.moved(before, centroids)
        history.append(iteration)
        if report:
            report(len(history) - 1, iteration)
        if checkpoint is not None and world()[0] == 0:
            Clustering(centroids, history, total, seed).save(checkpoint)
    return Clustering(centroids, history, total, seed)


def _settled(history: list[Iteration], tolerance: float) -> bool:
    return len(history) > 1 and history[-2].inertia - history[-1].inertia < tolerance * history[-2].inertia


def _pass(
    source: Points, centroids: Tensor, search: BoundedSearch, spherical: bool, rng: np.random.Generator
) -> tuple[Tensor, Iteration]:
    """One assignment and update, over all ranks."""
    started = time.perf_counter()
    k = len(centroids)
    sums = torch.zeros(k, source.dim, dtype=torch.float64)
    sizes, inertia = torch.zeros(k, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    for number, piece in enumerate(source.chunks()):
        rows = _directions(piece, spherical)
        sums, sizes, inertia = (part.to(rows.device) for part in (sums, sizes, inertia))
        codes, distances = search.nearest(number, rows, centroids.to(rows.device))
        sums.index_add_(0, codes, rows.double())
        sizes += torch.bincount(codes, minlength=k)
        inertia += distances.double().sum()
    reduce_sum(sums, sizes, inertia)
    sums, sizes, inertia = sums.cpu(), sizes.cpu(), inertia.cpu()
    if not torch.isfinite(inertia):
        raise ValueError("points hold NaN or infinite values")
    moved = centroids.clone()
    filled = sizes > 0
    moved[filled] = (sums[filled] / sizes[filled, None]).float()
    moved = _directions(moved, spherical)
    shift = (moved - centroids).square().sum(1).max().sqrt().item()
    total = sizes.sum().item()
    share = sizes / total
    empty = int((~filled).sum())
    if empty:
        split_populous(moved, sizes, rng)
    speed = total / (time.perf_counter() - started)
    return moved, Iteration(inertia.item() / total, shift, empty, float(k * share.square().sum()), speed)


def _directions(points: Tensor, spherical: bool) -> Tensor:
    return torch.nn.functional.normalize(points, dim=1) if spherical else points


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


class MiniBatchKMeans:
    """k-means from batches as they come, with scikit-learn's names and update rule (a centroid's rate is 1 / its count).

    Args:
        k: number of clusters.
        reassignment_ratio: centroids with fewer points than this share of the largest are moved onto random points.
        seed: of everything random.

    Attributes:
        centroids: ``(k, D)`` after the first batch, which must hold at least ``k`` points.
        inertia: moving average of the mean squared distance.
    """

    def __init__(self, k: int, reassignment_ratio: float = 0.01, seed: int = 0) -> None:
        self.k, self.reassignment_ratio = k, reassignment_ratio
        self._rng = np.random.default_rng(seed)
        self._sizes = torch.zeros(k, dtype=torch.float64)
        self.centroids: Tensor | None = None
        self.inertia = float("nan")

    def partial_fit(self, batch: np.ndarray | Tensor) -> MiniBatchKMeans:
        """Learns from one batch ``(N, D)``.

        Raises:
            ValueError: a first batch smaller than ``k``, or points that are not finite.
        """
        points = as_points(batch)
        rows = torch.cat(list(points.chunks()))
        if not torch.isfinite(rows).all():
            raise ValueError("points hold NaN or infinite values")
        if self.centroids is None:
            self.centroids = first_centroids(points, self.k, "k-means++", self._rng)
        codes, distances = nearest(rows, self.centroids)
        added = torch.bincount(codes, minlength=self.k).double()
        sums = torch.zeros(self.centroids.shape, dtype=torch.float64).index_add_(0, codes, rows.double())
        self._sizes += added
        touched = added > 0
        step = sums[touched] - added[touched, None] * self.centroids[touched].double()
        self.centroids[touched] += (step / self._sizes[touched, None]).float()
        self._reassign(rows)
        mean = distances.mean().item()
        self.inertia = mean if np.isnan(self.inertia) else 0.9 * self.inertia + 0.1 * mean
        return self

    def _reassign(self, rows: Tensor) -> None:
        assert self.centroids is not None
        lonely = torch.nonzero(self._sizes < self.reassignment_ratio * self._sizes.max())[:, 0][: len(rows) // 2]
        if len(lonely):
            chosen = self._rng.choice(len(rows), len(lonely), replace=False)
            self.centroids[lonely] = rows[torch.from_numpy(chosen)]
            # A count of the least of the others keeps them from being moved again at once.
            self._sizes[lonely] = self._sizes[self._sizes >= self.reassignment_ratio * self._sizes.max()].min()

    def predict(self, points: AnyPoints) -> Tensor:
        """Index of the nearest centroid, ``(N,)`` int64."""
        assert self.centroids is not None, "partial_fit first"
        return Clustering(self.centroids).predict(points)
