"""k-means with scikit-learn's names, on this package's passes or another library's."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from quantizers.backends import BACKENDS, Backend
from quantizers.kmeans import Clustering, kmeans
from quantizers.nearest import nearest
from quantizers.points import AnyPoints, as_points
from quantizers.seeding import Init, first_centroids


class KMeans:
    """Clusters points that need not fit into memory.

    Args:
        n_clusters: number of clusters.
        init: how first centroids are chosen, or ``(n_clusters, D)`` of them.
        max_iter: most Lloyd passes.
        tol: stop when a pass lowers the inertia by less than this share; other backends make all passes.
        random_state: seed.
        backend: ``semcodec`` streams; ``faiss`` and ``kmeans-pytorch`` load all points.

    Attributes:
        cluster_centers_: ``(n_clusters, D)`` float32.
        inertia_: sum of squared distances to the nearest centre, of all points.
        n_iter_: passes made.

    Raises:
        ValueError: an unknown backend.

    Example:
        >>> points = np.random.default_rng(0).standard_normal((500, 4)).astype(np.float32)
        >>> KMeans(8, max_iter=5).fit(points).cluster_centers_.shape
        (8, 4)
    """

    def __init__(
        self,
        n_clusters: int,
        *,
        init: Init | np.ndarray | Tensor = "k-means||",
        max_iter: int = 25,
        tol: float = 1e-4,
        random_state: int = 0,
        backend: Backend = "semcodec",
    ) -> None:
        if backend != "semcodec" and backend not in BACKENDS:
            raise ValueError(f"backend {backend!r} is not one of semcodec, {', '.join(BACKENDS)}")
        self.n_clusters, self.init, self.max_iter, self.tol = n_clusters, init, max_iter, tol
        self.random_state, self.backend = random_state, backend
        self.cluster_centers_ = np.zeros((0, 0), np.float32)
        self.inertia_, self.n_iter_ = float("nan"), 0

    def fit(self, points: AnyPoints) -> KMeans:
        """Finds centres.

        Args:
            points: array, memory map, tensor, list of shards, or `quantizers.points.Points`.

        Raises:
            ValueError: fewer points than clusters, or points that are not finite.
            ImportError: the backend's library is missing.
        """
        init = torch.from_numpy(self.init) if isinstance(self.init, np.ndarray) else self.init
        if self.backend == "semcodec":
            found = kmeans(points, self.n_clusters, self.max_iter, init, self.tol, seed=self.random_state)
            centres, self.n_iter_ = found.centroids, len(found.iterations)
        else:
            source = as_points(points)
            rng = np.random.default_rng(self.random_state)
            first = init if isinstance(init, Tensor) else first_centroids(source, self.n_clusters, init, rng)
            everything = torch.cat(list(source.chunks()))
            centres, self.n_iter_ = BACKENDS[self.backend](everything, first, self.max_iter, False), self.max_iter
        self.cluster_centers_ = centres.numpy()
        self.inertia_ = sum(nearest(piece, centres)[1].double().sum().item() for piece in as_points(points).chunks())
        return self

    def predict(self, points: AnyPoints) -> np.ndarray:
        """``(N,)`` int64 index of the nearest centre."""
        labels: np.ndarray = Clustering(torch.from_numpy(self.cluster_centers_)).predict(points).numpy()
        return labels

    def fit_predict(self, points: AnyPoints) -> np.ndarray:
        """`fit`, then `predict` on the same points."""
        return self.fit(points).predict(points)

    def transform(self, points: np.ndarray | Tensor) -> np.ndarray:
        """``(N, n_clusters)`` distances to the centres; for small sets."""
        centres = torch.from_numpy(self.cluster_centers_)
        distances: np.ndarray = torch.cat([torch.cdist(piece, centres) for piece in as_points(points).chunks()]).numpy()
        return distances
