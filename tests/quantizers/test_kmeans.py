from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.multiprocessing as multiprocessing
from sklearn.cluster import KMeans

from quantizers import points as points_module
from quantizers.kmeans import Clustering, MiniBatchKMeans, kmeans
from quantizers.nearest import nearest
from quantizers.points import ArrayPoints, StreamPoints, take
from quantizers.seeding import first_centroids

pytestmark = pytest.mark.filterwarnings("ignore:.*fewer than 39 each")


def blobs(n: int = 2000, k: int = 12, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return ((rng.standard_normal((k, 5)) * 6)[rng.integers(k, size=n)] + rng.standard_normal((n, 5))).astype(np.float32)


def inertia(points: np.ndarray, centroids: torch.Tensor) -> float:
    return nearest(torch.from_numpy(points), centroids)[1].mean().item()


def test_inertia_never_rises() -> None:
    values = [iteration.inertia for iteration in kmeans(blobs(), 20, 15).iterations]
    assert len(values) == 15
    assert all(after <= before * (1 + 1e-6) for before, after in pairwise(values))


def test_agrees_with_scikit_learn_from_the_same_start() -> None:
    points = blobs(k=10)
    init = points[:16]
    ours = kmeans(points, 16, 30, init=torch.from_numpy(init))
    theirs = KMeans(16, init=init, n_init=1, max_iter=30, tol=0, algorithm="lloyd").fit(points)
    assert inertia(points, ours.centroids) == pytest.approx(theirs.inertia_ / len(points), rel=1e-4)
    np.testing.assert_allclose(ours.centroids.numpy(), theirs.cluster_centers_, atol=1e-2)
    assert (ours.predict(points).numpy() == theirs.labels_).mean() > 0.999


def test_every_way_to_hold_points_agrees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points = blobs()
    mapped = np.memmap(tmp_path / "points", "<f4", "w+", shape=points.shape)
    mapped[:] = points
    whole = kmeans(points, 16, 8).centroids
    ways = [
        mapped,
        torch.from_numpy(points),
        [points[:300], points[300:301], torch.from_numpy(points[301:])],
        StreamPoints(lambda: (points[at : at + 123] for at in range(0, len(points), 123))),
    ]
    for way in ways:
        torch.testing.assert_close(kmeans(way, 16, 8).centroids, whole)
    monkeypatch.setattr(points_module, "CHUNK", 333)
    torch.testing.assert_close(kmeans(points, 16, 8).centroids, whole)


def test_half_precision_far_from_the_origin() -> None:
    points = (blobs() + 500).astype(np.float16)
    assert inertia(points.astype(np.float32), kmeans(points, 24, 15, "k-means++").centroids) < 8


@pytest.mark.parametrize("init", ["k-means++", "k-means||", "afk-mc2"])
def test_careful_seeding_beats_random(init: str) -> None:
    points = ArrayPoints(blobs(n=4000, k=40))
    rows = next(points.chunks()).numpy()

    def mean_inertia(how: str) -> float:
        return np.mean([inertia(rows, first_centroids(points, 40, how, np.random.default_rng(s))) for s in range(5)])  # type: ignore[arg-type]

    assert mean_inertia(init) < 0.8 * mean_inertia("random")


def test_random_seeding_takes_points() -> None:
    points = blobs()
    centroids = first_centroids(ArrayPoints(points), 30, "random", np.random.default_rng(0)).numpy()
    assert all((points == centroid).all(1).any() for centroid in centroids)


def test_take_is_indexing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(points_module, "CHUNK", 7)
    points, rows = blobs(), np.array([0, 6, 7, 8, 999, 1999])
    np.testing.assert_array_equal(take(ArrayPoints([points[:1000], points[1000:]]), rows).numpy(), points[rows])


@pytest.mark.parametrize("init", ["random", "k-means++", "k-means||", "afk-mc2"])
def test_duplicates_and_empty_clusters(init: str) -> None:
    points = np.concatenate([np.zeros((500, 2)), np.ones((500, 2)), np.random.default_rng(0).standard_normal((30, 2))])
    fitted = kmeans(points.astype(np.float32), 20, 25, init)  # type: ignore[arg-type]
    assert torch.isfinite(fitted.centroids).all()
    assert fitted.iterations[-1].inertia < 0.01
    assert torch.isfinite(kmeans(np.ones((50, 3)), 8, 5, init).centroids).all()  # type: ignore[arg-type]


def test_empty_clusters_are_counted_and_refilled() -> None:
    points = np.random.default_rng(0).standard_normal((2000, 2))
    fitted = kmeans(points, 30, 15, init=torch.zeros(30, 2) + torch.arange(30)[:, None] * 100.0)
    assert fitted.iterations[0].empty > 0
    assert fitted.iterations[-1].empty == 0


def test_spherical_centroids_have_length_one() -> None:
    fitted = kmeans(blobs(), 12, 10, spherical=True)
    torch.testing.assert_close(fitted.centroids.norm(dim=1), torch.ones(12))


def test_tolerance_stops_early() -> None:
    assert len(kmeans(blobs(), 12, 100, tolerance=1e-3).iterations) < 50


def test_checkpoints_are_gone_on_from(tmp_path: Path) -> None:
    points = blobs()
    whole = kmeans(points, 16, 9)
    kmeans(points, 16, 4, checkpoint=tmp_path / "c")
    resumed = kmeans(points, 16, 9, checkpoint=tmp_path / "c")
    assert torch.equal(resumed.centroids, whole.centroids)
    assert len(resumed.iterations) == 9
    assert torch.equal(Clustering.load(tmp_path / "c").centroids, whole.centroids)


def test_a_settled_run_stays_settled(tmp_path: Path) -> None:
    whole = kmeans(blobs(), 12, 100, tolerance=1e-3, checkpoint=tmp_path / "c")
    again = kmeans(blobs(), 12, 100, tolerance=1e-3, checkpoint=tmp_path / "c")
    assert len(again.iterations) == len(whole.iterations)
    assert torch.equal(again.centroids, whole.centroids)


def test_checkpoints_of_something_else_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "c"
    kmeans(blobs(), 12, 2, checkpoint=path)
    with pytest.raises(ValueError, match=r"points with seed 0, not of .* with seed 1; delete it"):
        kmeans(blobs(), 12, 2, seed=1, checkpoint=path)
    with pytest.raises(ValueError, match="not of 100 with seed 0"):
        kmeans(blobs()[:100], 12, 2, checkpoint=path)
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(ValueError, match=r"c: not a k-means checkpoint \(SafetensorError"):
        kmeans(blobs(), 12, 2, checkpoint=path)


def test_unusable_points_are_refused() -> None:
    points = blobs()
    with pytest.raises(ValueError, match="cannot form"):
        kmeans(points[:3], 4)
    points[17] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        kmeans(points, 8)
    with pytest.raises(ValueError, match="are needed"):
        kmeans(blobs(), 8, init=torch.zeros(7, 5))
    with pytest.raises(ValueError, match="gives no points"):
        StreamPoints(lambda: [])


def test_few_points_per_cluster_are_worth_a_warning() -> None:
    with pytest.warns(UserWarning, match="fewer than 39 each"):
        kmeans(blobs(n=100), 10, 1)


def test_mini_batches_come_close_to_full_passes() -> None:
    """Both depend on luck in their first centroids, so medians over seeds are compared."""
    points = blobs(n=6000, k=20)

    def online(seed: int) -> float:
        model = MiniBatchKMeans(20, seed=seed)
        for epoch in range(4):
            for rows in np.random.default_rng(epoch).permutation(6000).reshape(-1, 500):
                model.partial_fit(points[rows])
        assert model.centroids is not None
        assert model.predict(points).unique().numel() == 20
        return inertia(points, model.centroids)

    full = [inertia(points, kmeans(points, 20, 25, "k-means++", seed=seed).centroids) for seed in range(5)]
    assert np.median([online(seed) for seed in range(5)]) < 1.25 * np.median(full)


def _rank(rank: int, size: int, folder: str, init: str) -> None:
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=size)
    points = blobs()
    share = points[:700] if rank == 0 else points[700:]
    fitted = kmeans(share, 16, 10, init)  # type: ignore[arg-type]
    np.save(f"{folder}/{rank}.npy", fitted.centroids.numpy())
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("init", ["random", "k-means++", "k-means||", "afk-mc2"])
def test_two_ranks_find_what_one_finds(tmp_path: Path, init: str) -> None:
    multiprocessing.spawn(_rank, args=(2, str(tmp_path), init), nprocs=2)
    alone = kmeans(blobs(), 16, 10, init).centroids.numpy()  # type: ignore[arg-type]
    for rank in range(2):
        np.testing.assert_allclose(np.load(tmp_path / f"{rank}.npy"), alone, atol=1e-5)
