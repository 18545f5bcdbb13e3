"""Other libraries' k-means behind this one's signature, for those who have them: faiss (GPUs, too) and kmeans-pytorch."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

Backend = Literal["semcodec", "faiss", "kmeans-pytorch"]
NEWER = "git+https://github.com/subhadarship/kmeans_pytorch"
"""The only release in package indexes, 0.3, is older than what this backend needs."""


def faiss_kmeans(points: Tensor, first: Tensor, iterations: int, spherical: bool = False) -> Tensor:
    """Lloyd passes by faiss, without its subsampling.

    Args:
        points: ``(N, D)`` float32.
        first: ``(k, D)`` first centroids.
        iterations: passes.
        spherical: cluster directions.

    Returns:
        ``(k, D)``.

    Raises:
        ImportError: faiss is not installed.
    """
    faiss = _library("faiss", "faiss-cpu")
    model = faiss.Kmeans(
        points.shape[1], len(first), niter=iterations, max_points_per_centroid=len(points), spherical=spherical
    )
    model.train(np.ascontiguousarray(points.numpy()), init_centroids=np.ascontiguousarray(first.numpy()))
    return torch.from_numpy(np.array(model.centroids))


def pytorch_kmeans(points: Tensor, first: Tensor, iterations: int, spherical: bool = False) -> Tensor:
    """Lloyd passes by kmeans-pytorch, which holds all ``N × k`` distances at once; arguments as in `faiss_kmeans`.

    Raises:
        ImportError: kmeans-pytorch is not installed, or is release 0.3, which neither starts from given centroids nor stops
            after so many passes.
    """
    library = _library("kmeans_pytorch", NEWER)
    if not starts_where_it_is_told(library):
        raise ImportError(f"kmeans-pytorch 0.3 cannot start from given centroids; what came after it can: pip install {NEWER}")
    centroids: Tensor = library.kmeans(
        points,
        len(first),
        distance="cosine" if spherical else "euclidean",
        cluster_centers=first,
        tol=0,
        iter_limit=iterations,
        tqdm_flag=False,
    )[1]
    return centroids


def starts_where_it_is_told(library: Any) -> bool:
    """Whether this is kmeans-pytorch as it became after its release."""
    return "cluster_centers" in inspect.signature(library.kmeans).parameters


BACKENDS: dict[str, Callable[[Tensor, Tensor, int, bool], Tensor]] = {
    "faiss": faiss_kmeans,
    "kmeans-pytorch": pytorch_kmeans,
}


def _library(module: str, package: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(f"this k-means backend needs {package}: pip install {package}") from error
