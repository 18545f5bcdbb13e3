import numpy as np
import pytest
import torch
from sklearn.cluster import MiniBatchKMeans as SklearnMiniBatchKMeans
from sklearn.cluster import kmeans_plusplus

from quantizers.kmeans import kmeans
from quantizers.minibatch import MiniBatchKMeans, Plateau
from quantizers.points import StreamPoints
from tests.quantizers.test_kmeans import blobs, inertia


def test_batches_as_they_come_are_close_to_full_passes() -> None:
    """Both depend on luck in their first centroids, so medians over seeds are compared."""
    points = blobs(n=6000, k=20)

    def online(seed: int) -> float:
        model = MiniBatchKMeans(20, random_state=seed)
        for epoch in range(4):
            for rows in np.random.default_rng(epoch).permutation(6000).reshape(-1, 500):
                model.partial_fit(points[rows])
        assert model.n_iter_ == 48
        assert len(set(model.predict(points))) == 20
        return inertia(points, torch.from_numpy(model.cluster_centers_))

    full = [inertia(points, kmeans(points, 20, 25, init="k-means++", seed=seed).centroids) for seed in range(5)]
    assert np.median([online(seed) for seed in range(5)]) < 1.25 * np.median(full)


def test_a_set_is_fitted_as_well_as_by_scikit_learn_and_the_fit_ends() -> None:
    points = blobs(n=6000, k=20)
    starts = [kmeans_plusplus(points, 20, random_state=seed)[0] for seed in range(5)]
    ours = [MiniBatchKMeans(20, batch_size=500, init=start).fit(points) for start in starts]
    theirs = [SklearnMiniBatchKMeans(20, batch_size=500, init=start, n_init=1).fit(points) for start in starts]
    assert np.median([model.inertia_ for model in ours]) < 1.1 * np.median([model.inertia_ for model in theirs])
    assert all(model.n_iter_ < model.max_iter for model in ours)
    np.testing.assert_array_equal(ours[0].labels_, ours[0].predict(points))


def test_more_patience_and_less_tolerance_look_longer() -> None:
    points = blobs(n=3000, k=20)

    def passes(**settings: float) -> int:
        return MiniBatchKMeans(20, batch_size=100, **settings).fit(points).n_iter_  # type: ignore[arg-type]

    assert passes(tol=0.5) == 1
    assert passes(max_no_improvement=10**6, max_iter=7) == 7


def test_streams_and_directions() -> None:
    points = blobs()
    stream = StreamPoints(lambda: (points[at : at + 300] for at in range(0, len(points), 300)))
    model = MiniBatchKMeans(10, batch_size=100, spherical=True).fit(stream)
    assert model.labels_ is None
    np.testing.assert_allclose(np.linalg.norm(model.cluster_centers_, axis=1), 1, atol=1e-5)
    assert (model.predict(points) == model.predict(3 * points)).mean() > 0.999


def test_unusable_batches_are_refused() -> None:
    model = MiniBatchKMeans(8)
    with pytest.raises(ValueError, match="5 points cannot form 8 clusters"):
        model.partial_fit(blobs()[:5])
    with pytest.raises(ValueError, match="this MiniBatchKMeans has no centres yet: fit it first"):
        model.predict(blobs())
    model.partial_fit(blobs())
    with pytest.raises(ValueError, match="points of width 4 where 5 is needed"):
        model.partial_fit(blobs()[:, :4])
    with pytest.raises(ValueError, match="NaN"):
        model.partial_fit(np.full((3, 5), np.nan))
    with pytest.raises(ValueError, match="are needed"):
        MiniBatchKMeans(8, init=np.zeros((7, 5))).fit(blobs())


def test_a_value_that_stays_is_a_plateau() -> None:
    plateau = Plateau(rate=0.5, tolerance=0.1, patience=3)
    assert [plateau.reached(value) for value in (1.0, 0.5, 0.7, 0.7, 0.7)] == [False, False, False, False, True]


def test_given_centres_are_made_ready() -> None:
    """As of `KMeans`: of length 1 where directions are clustered, and numbers."""
    start = np.zeros((2, 5), np.float32)
    start[0, 0], start[1, 1] = 100, 1
    fitted = MiniBatchKMeans(2, spherical=True, init=start, max_iter=1).fit(blobs())
    np.testing.assert_allclose(np.linalg.norm(fitted.cluster_centers_, axis=1), 1, rtol=1e-5)
    with pytest.raises(ValueError, match="NaN"):
        MiniBatchKMeans(2, init=np.full((2, 5), np.nan)).fit(blobs())
