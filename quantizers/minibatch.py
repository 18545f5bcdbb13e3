"""Mini-batch k-means (Sculley 2010) with scikit-learn's names and update rule: a centroid's rate is 1 / its count."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from quantizers.estimator import Estimator, Random, Weights, arrays_of, seed_of
from quantizers.kmeans import checked_weights
from quantizers.nearest import nearest
from quantizers.points import AnyPoints, Points, prepared
from quantizers.seeding import Init, beginning

if TYPE_CHECKING:
    from typing_extensions import Self


class MiniBatchKMeans(Estimator):
    """k-means from batches as they come, or from batches of a set; on one process. Attributes as in `Estimator`.

    Args:
        n_clusters: number of clusters.
        init: how first centroids are chosen, or ``(n_clusters, D)`` of them.
        max_iter: most passes over the points.
        batch_size: points that centroids move for at once.
        tol: share by which the smoothed inertia has to fall to count as better.
        max_no_improvement: stop after so many batches that made nothing better.
        reassignment_ratio: centroids with fewer points than this share of the largest are moved onto random points.
        spherical: cluster directions.
        random_state: seed, a generator to draw one from, or None: another one every time.

    Example:
        >>> points = np.random.default_rng(0).standard_normal((5000, 4)).astype(np.float32)
        >>> model = MiniBatchKMeans(8).fit(points)
        >>> model.n_iter_ < model.max_iter
        True
    """

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        init: Init | np.ndarray | Tensor = "k-means++",
        max_iter: int = 100,
        batch_size: int = 1024,
        tol: float = 0.0,
        max_no_improvement: int = 10,
        reassignment_ratio: float = 0.01,
        spherical: bool = False,
        random_state: Random = 0,
    ) -> None:
        self.n_clusters, self.init, self.max_iter, self.batch_size = n_clusters, init, max_iter, batch_size
        self.tol, self.max_no_improvement, self.reassignment_ratio = tol, max_no_improvement, reassignment_ratio
        self.spherical, self.random_state = spherical, random_state

    def fit(self, points: AnyPoints, y: Any = None, sample_weight: Weights = None) -> Self:
        """Finds centres; batches are drawn without replacement from one piece of the points after the other.

        Args:
            points: array, memory map, tensor, list of shards, or `quantizers.points.Points`.
            y: not looked at.
            sample_weight: ``(N,)`` of the points; all count alike by default.

        Raises:
            ValueError: fewer points than clusters, or points that are not finite.
        """
        points = arrays_of(points)
        source = prepared(points, self.spherical)
        weights = None if sample_weight is None else checked_weights(np.asarray(sample_weight), len(source))
        self._begin(source)
        plateau = Plateau(min(1.0, 2 * self.batch_size / (len(source) + 1)), self.tol, self.max_no_improvement)
        self.n_iter_, settled = 0, False
        while self.n_iter_ < self.max_iter and not settled:
            settled = any(plateau.reached(self._learn(*batch)[1].mean().item()) for batch in self._batches(source, weights))
            self.n_iter_ += 1
        self._keep(self._centres(), source, stream=hasattr(points, "chunks"), weights=sample_weight)
        return self

    def partial_fit(self, points: np.ndarray | Tensor, y: Any = None, sample_weight: Weights = None) -> Self:
        """Learns from one batch ``(N, D)``; ``labels_`` and ``inertia_`` are then the batch's, before it was learnt from.

        Raises:
            ValueError: a first batch smaller than ``n_clusters``, one of another width, or points that are not finite.
        """
        source = prepared(arrays_of(points), self.spherical)
        if not hasattr(self, "cluster_centers_"):
            self._begin(source)
            self.n_iter_ = 0
        self._known(points)
        weights = None if sample_weight is None else checked_weights(np.asarray(sample_weight), len(source))
        codes, distances = self._learn(torch.cat(list(source.chunks())).cpu(), weights)
        scaled = distances.double() if weights is None else distances.double() * weights
        self.labels_, self.inertia_, self.n_iter_ = codes.numpy(), scaled.sum().item(), self.n_iter_ + 1
        return self

    def _begin(self, source: Points) -> None:
        self._rng = np.random.default_rng(seed_of(self.random_state))
        self._sizes = torch.zeros(self.n_clusters, dtype=torch.float64)
        first = beginning(source, self.n_clusters, self.init, self._rng, self.spherical)
        self.cluster_centers_, self.n_features_in_ = first.numpy(), source.dim

    def _batches(self, source: Points, weights: Tensor | None) -> Iterator[tuple[Tensor, Tensor | None]]:
        start = 0
        for piece in source.chunks():
            order = torch.from_numpy(self._rng.permutation(len(piece)))
            for rows in torch.split(order, self.batch_size):
                yield piece[rows.to(piece.device)].cpu(), None if weights is None else weights[start + rows]
            start += len(piece)

    def _learn(self, rows: Tensor, weights: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Moves centres for a batch; returns its points' nearest ones and squared distances before that."""
        if not torch.isfinite(rows).all():
            raise ValueError("points hold NaN or infinite values")
        centres = self._centres()  # shares its memory with cluster_centers_
        codes, distances = nearest(rows, centres)
        added = torch.bincount(codes, weights, minlength=self.n_clusters).double()
        weighted = rows.double() if weights is None else rows.double() * weights[:, None]
        sums = torch.zeros(centres.shape, dtype=torch.float64).index_add_(0, codes, weighted)
        self._sizes += added
        touched = added > 0
        step = sums[touched] - added[touched, None] * centres[touched].double()
        centres[touched] += (step / self._sizes[touched, None]).float()
        self._reassign(rows)
        if self.spherical:
            centres.copy_(torch.nn.functional.normalize(centres, dim=1))
        return codes, distances

    def _reassign(self, rows: Tensor) -> None:
        lonely = torch.nonzero(self._sizes < self.reassignment_ratio * self._sizes.max())[:, 0][: len(rows) // 2]
        if len(lonely):
            chosen = self._rng.choice(len(rows), len(lonely), replace=False)
            self._centres()[lonely] = rows[torch.from_numpy(chosen)]
            # A count of the least of the others keeps them from being moved again at once.
            self._sizes[lonely] = self._sizes[self._sizes >= self.reassignment_ratio * self._sizes.max()].min()


class Plateau:
    """Tells when a noisy value has stopped falling.

    Args:
        rate: weight of a new value in the moving average that is looked at.
        tolerance: share by which the average has to fall to count as better.
        patience: so many values that made nothing better are enough.

    Example:
        >>> plateau = Plateau(rate=1.0, tolerance=0.0, patience=2)
        >>> [plateau.reached(value) for value in (5.0, 4.0, 4.5, 4.2)]
        [False, False, False, True]
    """

    def __init__(self, rate: float, tolerance: float, patience: int) -> None:
        self._rate, self._tolerance, self._patience = rate, tolerance, patience
        self._average, self._lowest, self._since = float("nan"), float("inf"), 0

    def reached(self, value: float) -> bool:
        """Takes one more value."""
        start = self._average != self._average
        self._average = value if start else self._average + self._rate * (value - self._average)
        better = self._average < self._lowest * (1 - self._tolerance)
        self._lowest, self._since = (self._average, 0) if better else (self._lowest, self._since + 1)
        return self._since >= self._patience
