from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.multiprocessing as multiprocessing
from sklearn.cluster import KMeans

from quantizers import points as points_module
from quantizers.checkpoints import CheckpointError, write
from quantizers.clustering import Clustering, Iteration
from quantizers.collective import distinct
from quantizers.kmeans import kmeans
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
    assert inertia(points.astype(np.float32), kmeans(points, 24, 15, init="k-means++").centroids) < 8


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
    fitted = kmeans(points.astype(np.float32), 20, 25, init=init)  # type: ignore[arg-type]
    assert torch.isfinite(fitted.centroids).all()
    assert fitted.iterations[-1].inertia < 0.01
    assert torch.isfinite(kmeans(np.ones((50, 3)), 8, 5, init=init).centroids).all()  # type: ignore[arg-type]


def test_no_pass_is_no_clustering() -> None:
    with pytest.raises(ValueError, match="at least one pass"):
        kmeans(blobs(), 12, 0)


def test_empty_clusters_are_counted_and_refilled() -> None:
    points = np.random.default_rng(0).standard_normal((2000, 2))
    fitted = kmeans(points, 30, 15, init=torch.zeros(30, 2) + torch.arange(30)[:, None] * 100.0)
    assert fitted.iterations[0].empty > 0
    assert fitted.iterations[-1].empty == 0


def test_weights_of_any_scale_refill_empty_clusters_alike() -> None:
    points = np.random.default_rng(0).standard_normal((1000, 2))
    first = torch.zeros(20, 2) + torch.arange(20)[:, None] * 100.0
    fitted = [kmeans(points, 20, 15, init=first, weights=np.full(1000, scale)) for scale in (1.0, 1 / 1024, 512.0)]
    assert fitted[0].used == 1
    for other in fitted[1:]:
        assert torch.equal(other.centroids, fitted[0].centroids)


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


def test_a_run_that_was_stopped_loses_no_pass_that_it_reported(tmp_path: Path) -> None:
    points = blobs()
    whole = kmeans(points, 16, 6)

    def stop(number: int, iteration: Iteration) -> None:
        if number == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kmeans(points, 16, 6, checkpoint=tmp_path / "c", report=stop)
    passes: list[int] = []
    resumed = kmeans(points, 16, 6, checkpoint=tmp_path / "c", report=lambda number, _: passes.append(number))
    assert passes == [4, 5]
    assert torch.equal(resumed.centroids, whole.centroids)
    assert not (tmp_path / "c.new").exists()


def test_a_settled_run_stays_settled(tmp_path: Path) -> None:
    whole = kmeans(blobs(), 12, 100, tolerance=1e-3, checkpoint=tmp_path / "c")
    again = kmeans(blobs(), 12, 100, tolerance=1e-3, checkpoint=tmp_path / "c")
    assert len(again.iterations) == len(whole.iterations)
    assert torch.equal(again.centroids, whole.centroids)


def test_checkpoints_of_something_else_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "c"
    kmeans(blobs(), 12, 2, checkpoint=path)
    others: list[tuple[np.ndarray, int, dict[str, object], str]] = [
        (blobs(), 12, {"seed": 1}, "seed 0, not 1"),
        (blobs()[:500], 12, {}, "points 2000, not 500"),
        (blobs(), 13, {}, "clusters 12, not 13"),
        (blobs()[:, :4], 12, {}, "width 5, not 4"),
        (blobs(), 12, {"spherical": True}, "spherical False, not True"),
        (blobs(seed=1), 12, {}, "other points"),
    ]
    for points, k, settings, message in others:
        with pytest.raises(CheckpointError, match=rf"c: of another clustering \({message}\); delete it to start anew"):
            kmeans(points, k, 2, checkpoint=path, **settings)  # type: ignore[arg-type]
    with pytest.raises(CheckpointError, match=r"c: of another clustering \(seed 0, not 1; spherical False, not True\)"):
        kmeans(blobs(), 12, 2, checkpoint=path, seed=1, spherical=True)
    write(path, {"centroids": torch.zeros(12, 5)}, {"points": 2000})
    with pytest.raises(CheckpointError, match="c: a k-means checkpoint of another version"):
        kmeans(blobs(), 12, 2, checkpoint=path)
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(ValueError, match=r"c: not a k-means checkpoint \(SafetensorError"):
        kmeans(blobs(), 12, 2, checkpoint=path)


@pytest.mark.parametrize(
    ("points", "k", "message"),
    [
        ([], 2, "no points: an empty list"),
        (np.zeros(5), 2, r"must be arrays \(N, D\), not one of shape \(5,\)"),
        ([[1.0, 2.0], [3.0, 4.0]], 2, r"must be arrays \(N, D\), not a list"),
        ([np.zeros((5, 2)), np.zeros((5, 3))], 2, "points of width 3 beside some of width 2"),
        (np.zeros((0, 2)), 2, "0 points cannot form 2 clusters"),
        (np.zeros((5, 2)), 0, "cannot form 0 clusters: at least 1 is needed"),
    ],
)
def test_what_are_no_points_is_said(points: np.ndarray, k: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kmeans(points, k)


@pytest.mark.parametrize(
    ("spherical", "rows"), [(False, [[0.0, 1.0], [2.0, 3.0]]), (True, [[0.0, 1.0], [0.0, 2.0], [4.0, 3.0]])]
)
def test_fewer_distinct_points_than_clusters_are_worth_a_warning(spherical: bool, rows: list[list[float]]) -> None:
    points = np.tile(np.array(rows, np.float32), (200, 1))
    with pytest.warns(UserWarning, match="2 distinct points for 8 clusters: the other 6 centroids are near copies"):
        fitted = kmeans(points, 8, 4, spherical=spherical)
    assert fitted.used == 2 / 8


def test_a_stream_that_does_not_begin_anew_is_refused() -> None:
    pieces = iter([blobs()])
    with pytest.raises(ValueError, match="gave 2000 points and now 0: it must begin anew"):
        kmeans(StreamPoints(lambda: pieces), 12, 2)


def test_passes_are_described() -> None:
    points = np.repeat(np.eye(4, dtype=np.float32), [100, 100, 200, 400], axis=0)
    fitted = kmeans(points, 4, 2, init=np.eye(4) * 0.5)
    first, second = fitted.iterations
    assert (first.inertia, second.inertia) == pytest.approx((0.25, 0))
    assert (first.change, second.change) == pytest.approx((0, 1))
    assert (first.shift, first.mean_shift, second.shift) == pytest.approx((0.5, 0.5, 0))
    assert (fitted.used, fitted.entropy) == pytest.approx((1, 1.75))
    assert first.points_per_second == pytest.approx(800 / first.seconds)


def test_unusable_points_are_refused() -> None:
    points = blobs()
    with pytest.raises(ValueError, match="cannot form"):
        kmeans(points[:3], 4)
    points[17] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        kmeans(points, 8)
    with pytest.raises(ValueError, match="are needed"):
        kmeans(blobs(), 8, init=torch.zeros(7, 5))
    with pytest.raises(ValueError, match="first centroids hold NaN"):
        kmeans(blobs(), 8, init=torch.full((8, 5), torch.nan))
    with pytest.raises(ValueError, match="gives no points"):
        StreamPoints(lambda: [])


def test_few_points_per_cluster_are_worth_a_warning() -> None:
    with pytest.warns(UserWarning, match="fewer than 39 each"):
        kmeans(blobs(n=100), 10, 1)


@pytest.mark.parametrize("most", [3, 4, 9])
def test_distinct_points_are_counted_up_to_a_number(most: int) -> None:
    pieces = [torch.tensor([[0.0, 1.0], [-0.0, 1.0], [1.0, 0.0]]), torch.tensor([[2.0, 2.0], [1.0, 0.0], [3.0, 3.0]])]
    assert distinct(pieces, most) == min(most, 4)


INITS = ("random", "k-means++", "k-means||", "afk-mc2")


def _rank(rank: int, size: int, folder: str) -> None:
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=size)
    points = blobs()
    share = points[:700] if rank == 0 else points[700:]
    for init in INITS:
        fitted = kmeans(share, 16, 10, init=init)  # type: ignore[arg-type]
        np.save(f"{folder}/{init} {rank}.npy", fitted.centroids.numpy())
    copies = torch.tensor([[1.0, 2.0]] * 9 + [[rank, 5.0]] * 9)
    assert distinct([copies], 18) == 3
    with pytest.raises(ValueError, match="seen by some processes only"):
        kmeans(share, 16, 1, checkpoint=f"{folder}/random 0.npy" if rank == 0 else f"{folder}/elsewhere")
    torch.distributed.destroy_process_group()


@pytest.fixture(scope="module")
def two_ranks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes found, each with its share of the points."""
    folder = tmp_path_factory.mktemp("ranks")
    multiprocessing.spawn(_rank, args=(2, str(folder)), nprocs=2)
    return folder


@pytest.mark.parametrize("init", INITS)
def test_two_ranks_find_what_one_finds(two_ranks: Path, init: str) -> None:
    alone = kmeans(blobs(), 16, 10, init=init).centroids.numpy()  # type: ignore[arg-type]
    for rank in range(2):
        np.testing.assert_allclose(np.load(two_ranks / f"{init} {rank}.npy"), alone, atol=1e-5)
