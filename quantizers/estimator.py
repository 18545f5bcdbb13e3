"""k-means with scikit-learn's names, on this package's passes or another library's."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from quantizers.backends import BACKENDS, Backend
from quantizers.clustering import Clustering
from quantizers.collective import reduce_sum
from quantizers.kmeans import checked_weights, kmeans
from quantizers.nearest import nearest
from quantizers.points import AnyPoints, Points, prepared
from quantizers.seeding import Init, beginning, count_for

if TYPE_CHECKING:
    from typing_extensions import Self


Weights = np.ndarray | Tensor | Sequence[float] | None
Random = int | np.random.RandomState | np.random.Generator | None


def seed_of(random_state: Random) -> int:
    """A seed, as scikit-learn's users give it: itself, or drawn from a generator, or another one every time.

    Example:
        >>> seed_of(7), seed_of(np.random.RandomState(0)) == seed_of(np.random.RandomState(0)), seed_of(None) == seed_of(None)
        (7, True, False)
    """
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(1 << 31))
    if random_state is None or isinstance(random_state, np.random.Generator):
        return int(np.random.default_rng(random_state).integers(1 << 62))
    return int(random_state)


def arrays_of(points: Any) -> AnyPoints:
    """What scikit-learn's users hand over: rows of numbers in lists and tables become arrays, all else stays as it is.

    Raises:
        ValueError: what cannot be points: sparse or complex numbers, other dimensions, no rows or columns, NaN.
    """
    if hasattr(points, "chunks") or isinstance(points, Tensor) or (isinstance(points, list) and _are_shards(points)):
        return points
    if hasattr(points, "tocsr"):
        raise ValueError("sparse points are not taken: points.toarray()")
    array = np.asarray(points)
    if array.dtype.kind == "c":
        raise ValueError("Complex data not supported: points are real numbers")
    if array.dtype.kind not in "fiub":
        array = array.astype(np.float64)  # numpy's own words for what is no number
    if array.ndim != 2:
        raise ValueError(f"points must be arrays (N, D). Expected 2D array, got {array.ndim}D array. Reshape your data")
    if not array.shape[1]:
        raise ValueError(f"Found array with 0 feature(s) (shape={array.shape}) while a minimum of 1 is required.")
    if array.dtype.kind == "f" and not isinstance(array, np.memmap) and not np.isfinite(array.sum(dtype=np.float64)):
        raise ValueError("points hold NaN or infinite values")
    return array


def _are_shards(points: Sequence[Any]) -> bool:
    return all(getattr(part, "ndim", 0) == 2 for part in points)


def _not_fitted(message: str) -> Exception:
    try:
        from sklearn.exceptions import NotFittedError
    except ImportError:
        return ValueError(message)
    return NotFittedError(message)  # a ValueError, too


class Estimator:
    """What clusterers have in common: parameters that can be read and set, centres that points are compared with.

    Attributes:
        cluster_centers_: ``(n_clusters, D)`` float32.
        labels_: ``(N,)`` int64, of the points fitted on; None where these were a stream.
        inertia_: sum of squared distances to the nearest centre, of all points, over all ranks.
        n_iter_: passes made.
        n_features_in_: D.

    Points may be all that the constructor of `quantizers.points.ArrayPoints` takes, tables and lists of rows. ``y`` is ignored.
    """

    spherical: bool
    cluster_centers_: np.ndarray
    labels_: np.ndarray | None
    inertia_: float
    n_iter_: int
    n_features_in_: int

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.get_params().items())})"

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn's pipelines and checks ask for."""
        from sklearn.utils import InputTags, Tags, TargetTags, TransformerTags

        return Tags("clusterer", TargetTags(required=False), TransformerTags(["float32"]), None, None, input_tags=InputTags())

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

    def fit(self, points: AnyPoints, y: Any = None, sample_weight: Weights = None) -> Self:
        """Finds centres."""
        raise NotImplementedError

    def predict(self, points: AnyPoints) -> np.ndarray:
        """``(N,)`` int64 index of the nearest centre."""
        centres = self._centres()
        labels: np.ndarray = Clustering(centres, spherical=self.spherical).predict(self._known(points)).numpy()
        return labels

    def fit_predict(self, points: AnyPoints, y: Any = None, sample_weight: Weights = None) -> np.ndarray:
        """`fit`, then the labels of the same points."""
        labels = self.fit(points, sample_weight=sample_weight).labels_
        return self.predict(points) if labels is None else labels

    def transform(self, points: AnyPoints) -> np.ndarray:
        """``(N, n_clusters)`` distances to the centres; for small sets."""
        centres = self._centres()
        pieces = prepared(self._known(points), self.spherical).chunks()
        distances: np.ndarray = torch.cat([torch.cdist(piece.cpu(), centres) for piece in pieces]).numpy()
        return distances

    def fit_transform(self, points: AnyPoints, y: Any = None, sample_weight: Weights = None) -> np.ndarray:
        """`fit`, then the distances of the same points."""
        return self.fit(points, sample_weight=sample_weight).transform(points)

    def score(self, points: AnyPoints, y: Any = None, sample_weight: Weights = None) -> float:
        """Minus the sum of squared distances to the nearest centres."""
        centres = self._centres()
        return -self._compare(centres, prepared(self._known(points), self.spherical), sample_weight)[0]

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of what `transform` gives."""
        prefix = type(self).__name__.lower()
        return np.array([f"{prefix}{number}" for number in range(len(self._centres()))], dtype=object)

    def _centres(self) -> Tensor:
        if not hasattr(self, "cluster_centers_"):
            raise _not_fitted(f"this {type(self).__name__} has no centres yet: fit it first")
        return torch.from_numpy(self.cluster_centers_)

    def _known(self, points: AnyPoints) -> AnyPoints:
        """Points of the width that was fitted."""
        found, width = arrays_of(points), self.cluster_centers_.shape[1]
        dim = prepared(found, False).dim
        if dim != width:
            raise ValueError(
                f"points of width {dim} where {width} is needed: X has {dim} features, but {type(self).__name__} is expecting "
                f"{width} features as input"
            )
        return found

    def _compare(
        self, centres: Tensor, source: Points, weights: Weights, keep: bool = False
    ) -> tuple[float, np.ndarray | None]:
        """Sum of squared distances, over all ranks, and the labels if they are to be kept."""
        scales = None if weights is None else checked_weights(np.asarray(weights), len(source))
        inertia, labels, start = torch.zeros(1, dtype=torch.float64), [], 0
        for piece in source.chunks():
            codes, distances = nearest(piece, centres.to(piece.device))
            found = distances.double().cpu()
            inertia += (found if scales is None else found * scales[start : start + len(found)]).sum()
            start += len(found)
            if keep:
                labels.append(codes.cpu())
        reduce_sum(inertia)
        return inertia.item(), torch.cat(labels).numpy() if keep else None

    def _keep(self, centres: Tensor, source: Points, stream: bool, weights: Weights = None) -> None:
        """Sets what is known after a fit; labels of a stream, which may be longer than what fits into memory, are not."""
        self.cluster_centers_, self.n_features_in_ = centres.numpy(), source.dim
        self.inertia_, self.labels_ = self._compare(centres, source, weights, keep=not stream)


class KMeans(Estimator):
    """Clusters points that need not fit into memory; attributes as in `Estimator`.

    Args:
        n_clusters: number of clusters.
        init: how first centroids are chosen, or ``(n_clusters, D)`` of them.
        max_iter: most Lloyd passes.
        tol: stop when a pass lowers the inertia by less than this share; other backends make all passes.
        spherical: cluster directions.
        random_state: seed, a generator to draw one from, or None: another one every time.
        backend: ``semcodec`` streams; ``faiss`` and ``kmeans-pytorch`` load all points.

    Example:
        >>> points = np.random.default_rng(0).standard_normal((500, 4)).astype(np.float32)
        >>> KMeans(8, max_iter=5).fit(points).cluster_centers_.shape
        (8, 4)
    """

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        init: Init | np.ndarray | Tensor = "k-means||",
        max_iter: int = 25,
        tol: float = 1e-4,
        spherical: bool = False,
        random_state: Random = 0,
        backend: Backend = "semcodec",
    ) -> None:
        self.n_clusters, self.init, self.max_iter, self.tol = n_clusters, init, max_iter, tol
        self.spherical, self.random_state, self.backend = spherical, random_state, backend

    def fit(self, points: AnyPoints, y: Any = None, sample_weight: Weights = None) -> Self:
        """Finds centres.

        Args:
            points: array, memory map, tensor, list of shards, or `quantizers.points.Points`.
            y: not looked at.
            sample_weight: ``(N,)`` of the points; all count alike by default.

        Raises:
            ValueError: fewer points than clusters, points that are not finite, or an unknown backend.
            ImportError: the backend's library is missing.
        """
        points = arrays_of(points)
        source, seed = prepared(points, self.spherical), seed_of(self.random_state)
        if self.backend == "semcodec":
            found = kmeans(
                source,
                self.n_clusters,
                self.max_iter,
                weights=None if sample_weight is None else np.asarray(sample_weight),
                init=self.init,
                tolerance=self.tol,
                spherical=self.spherical,
                seed=seed,
            )
            centres, self.n_iter_ = found.centroids, len(found.iterations)
        else:
            if sample_weight is not None:
                raise ValueError(f"backend {self.backend!r} takes no sample_weight; semcodec does")
            centres, self.n_iter_ = self._fit_elsewhere(source, seed), self.max_iter
        self._keep(centres, source, stream=hasattr(points, "chunks"), weights=sample_weight)
        return self

    def _fit_elsewhere(self, source: Points, seed: int) -> Tensor:
        """Centres by another library."""
        if self.backend not in BACKENDS:
            raise ValueError(f"backend {self.backend!r} is not one of semcodec, {', '.join(BACKENDS)}")
        count_for(source, self.n_clusters)
        first = beginning(source, self.n_clusters, self.init, np.random.default_rng(seed), self.spherical)
        everything = torch.cat([piece.cpu() for piece in source.chunks()])
        return BACKENDS[self.backend](everything, first, self.max_iter, self.spherical)
