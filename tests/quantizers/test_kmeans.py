from itertools import pairwise

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans

from quantizers import kmeans as module
from quantizers.kmeans import Iteration, lloyd
from quantizers.nearest import nearest


def blobs(n: int = 2000, k: int = 12, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((k, 5)) * 6)[rng.integers(k, size=n)] + rng.standard_normal((n, 5))


def inertia(points: np.ndarray, centroids: torch.Tensor) -> float:
    return nearest(torch.from_numpy(points).float(), centroids)[1].mean().item()


def test_inertia_never_rises() -> None:
    seen: list[Iteration] = []
    lloyd(blobs(), 20, 15, report=lambda _, it: seen.append(it))
    values = [it.inertia for it in seen]
    assert all(after <= before * (1 + 1e-6) for before, after in pairwise(values))


def test_agrees_with_scikit_learn_from_the_same_start() -> None:
    points = blobs(k=10)
    init = points[:16]
    ours = lloyd(points, 16, 30, init=torch.from_numpy(init))
    theirs = KMeans(16, init=init, n_init=1, max_iter=30, tol=0, algorithm="lloyd").fit(points)
    assert inertia(points, ours) == pytest.approx(theirs.inertia_ / len(points), rel=1e-4)
    np.testing.assert_allclose(ours.numpy(), theirs.cluster_centers_, atol=1e-2)


def test_array_memory_map_tensor_and_chunk_size_agree(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    points = blobs().astype(np.float32)
    mapped = np.memmap(tmp_path / "points", "<f4", "w+", shape=points.shape)
    mapped[:] = points
    whole = lloyd(points, 16, 8)
    torch.testing.assert_close(lloyd(mapped, 16, 8), whole)
    torch.testing.assert_close(lloyd(torch.from_numpy(points), 16, 8), whole)
    monkeypatch.setattr(module, "CHUNK", 333)
    monkeypatch.setattr(module.chunks, "__defaults__", (333,))
    torch.testing.assert_close(lloyd(points, 16, 8), whole, rtol=1e-5, atol=1e-5)


def test_empty_clusters_are_refilled() -> None:
    points = np.concatenate([np.zeros((500, 2)), np.ones((500, 2)), np.random.default_rng(0).standard_normal((30, 2))])
    seen: list[Iteration] = []
    centroids = lloyd(points, 20, 25, report=lambda _, it: seen.append(it))
    assert seen[0].empty > 0
    assert torch.isfinite(centroids).all()


def test_all_duplicate_points_end_with_finite_centroids() -> None:
    assert torch.isfinite(lloyd(np.ones((50, 3)), 8, 5)).all()


def test_fewer_points_than_clusters_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot form"):
        lloyd(np.zeros((3, 2)), 4)


def test_nan_is_refused() -> None:
    points = blobs()
    points[17] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        lloyd(points, 8)
