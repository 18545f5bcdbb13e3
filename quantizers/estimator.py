"""k-means with scikit-learn's names, on this package's passes or another library's."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from quantizers.backends import BACKENDS, Backend
from quantizers.clustering import Clustering
from quantizers.collective import reduce_sum
from quantizers.kmeans import kmeans
from quantizers.nearest import nearest
from quantizers.points import AnyPoints, Points, prepared
from quantizers.seeding import Init, count_for, first_centroids

if TYPE_CHECKING:
    from typing_extensions import Self


class Estimator:
    """What clusterers have in common: parameters that can be read and set, centres that points are compared with.

    Attributes:
        cluster_centers_: ``(n_clusters, D)`` float32.
        labels_: ``(N,)`` int64, of the points fitted on; None where these were a stream.
        inertia_: sum of squared distances to the nearest centre, of all points, over all ranks.
        n_iter_: passes made.
    """

    spherical: bool
    cluster_centers_: np.ndarray
    labels_: np.ndarray | None
    inertia_: float
    n_iter_: int

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """What the constructor was given, or ``set_params`` since."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def set_params(self, **params: Any) -> Self:
        """Changes what the constructor was given; counts from the next fit.

        Raises:
            ValueError: a parameter that it does not take.
        """
        unknown = set(params) - set(self.get_params())
        if unknown:
            raise ValueError(f"{type(self).__name__} has no parameter {', '.join(sorted(unknown))}")
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def fit(self, points: AnyPoints) -> Self:
        """Finds centres."""
        raise NotImplementedError

    def predict(self, points: AnyPoints) -> np.ndarray:
        """``(N,)`` int64 index of the nearest centre."""
        labels: np.ndarray = Clustering(self._centres(), spherical=self.spherical).predict(points).numpy()
        return labels

    def fit_predict(self, points: AnyPoints) -> np.ndarray:
        """`fit`, then the labels of the same points."""
        labels = self.fit(points).labels_
        return self.predict(points) if labels is None else labels

    def transform(self, points: AnyPoints) -> np.ndarray:
        """``(N, n_clusters)`` distances to the centres; for small sets."""
        centres = self._centres()
        pieces = prepared(points, self.spherical).chunks()
        distances: np.ndarray = torch.cat([torch.cdist(piece.cpu(), centres) for piece in pieces]).numpy()
        return distances

    def _centres(self) -> Tensor:
        if not hasattr(self, "cluster_centers_"):
            raise ValueError(f"this {type(self).__name__} has no centres yet: fit it first")
        return torch.from_numpy(self.cluster_centers_)

    def _keep(self, centres: Tensor, source: Points, stream: bool) -> None:
        """Sets what is known after a fit."""
        self.cluster_centers_ = centres.numpy()
        inertia, labels = torch.zeros(1, dtype=torch.float64), []
        for piece in source.chunks():
            codes, distances = nearest(piece, centres.to(piece.device))
            inertia += distances.double().sum().cpu()
            if not stream:  # as long as arrays are; a stream may be longer than what fits into memory
                labels.append(codes.cpu())
        reduce_sum(inertia)
        self.inertia_ = inertia.item()
        self.labels_ = None if stream else torch.cat(labels).numpy()


class KMeans(Estimator):
    """Clusters points that need not fit into memory; attributes as in `Estimator`.

    Args:
        n_clusters: number of clusters.
        init: how first centroids are chosen, or ``(n_clusters, D)`` of them.
        max_iter: most Lloyd passes.
        tol: stop when a pass lowers the inertia by less than this share; other backends make all passes.
        spherical: cluster directions.
        random_state: seed.
        backend: ``semcodec`` streams; ``faiss`` and ``kmeans-pytorch`` load all points.

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
        spherical: bool = False,
        random_state: int = 0,
        backend: Backend = "semcodec",
    ) -> None:
        self.n_clusters, self.init, self.max_iter, self.tol = n_clusters, init, max_iter, tol
        self.spherical, self.random_state, self.backend = spherical, random_state, backend

    def fit(self, points: AnyPoints) -> Self:
        """Finds centres.

        Args:
            points: array, memory map, tensor, list of shards, or `quantizers.points.Points`.

        Raises:
            ValueError: fewer points than clusters, points that are not finite, or an unknown backend.
            ImportError: the backend's library is missing.
        """
        source = prepared(points, self.spherical)
        if self.backend == "semcodec":
            found = kmeans(
                source,
                self.n_clusters,
                self.max_iter,
                init=self.init,
                tolerance=self.tol,
                spherical=self.spherical,
                seed=self.random_state,
            )
            centres, self.n_iter_ = found.centroids, len(found.iterations)
        else:
            centres, self.n_iter_ = self._fit_elsewhere(source), self.max_iter
        self._keep(centres, source, stream=hasattr(points, "chunks"))
        return self

    def _fit_elsewhere(self, source: Points) -> Tensor:
        """Centres by another library."""
        if self.backend not in BACKENDS:
            raise ValueError(f"backend {self.backend!r} is not one of semcodec, {', '.join(BACKENDS)}")
        count_for(source, self.n_clusters)
        if isinstance(self.init, str):
            first = first_centroids(source, self.n_clusters, self.init, np.random.default_rng(self.random_state))
        else:
            first = torch.as_tensor(self.init).float()
        everything = torch.cat([piece.cpu() for piece in source.chunks()])
        return BACKENDS[self.backend](everything, first, self.max_iter, self.spherical)
