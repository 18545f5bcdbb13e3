import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.cluster import KMeans as SklearnKMeans
from sklearn.cluster import MiniBatchKMeans as SklearnMiniBatchKMeans
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from quantizers.backends import BACKENDS
from quantizers.estimator import Estimator, KMeans
from quantizers.kmeans import kmeans
from quantizers.minibatch import MiniBatchKMeans
from quantizers.points import StreamPoints
from tests.quantizers.test_kmeans import blobs


def test_agrees_with_scikit_learn_attribute_by_attribute() -> None:
    points = blobs()
    first = points[:20].copy()
    theirs = SklearnKMeans(20, init=first, n_init=1, max_iter=12, tol=0).fit(points)
    ours = KMeans(20, init=first, max_iter=12, tol=0).fit(points)
    np.testing.assert_allclose(ours.cluster_centers_, theirs.cluster_centers_, atol=1e-3)
    assert ours.inertia_ == pytest.approx(theirs.inertia_, rel=1e-3)
    np.testing.assert_array_equal(ours.predict(points), theirs.predict(points))
    np.testing.assert_array_equal(ours.labels_, theirs.labels_)
    assert {name for name in vars(ours) if name.endswith("_")} == {
        "cluster_centers_",
        "labels_",
        "inertia_",
        "n_iter_",
        "n_features_in_",
    }
    assert set(vars(theirs)) > {name for name in vars(ours) if name.endswith("_")}
    np.testing.assert_allclose(ours.transform(points[:50]), theirs.transform(points[:50]), atol=1e-2)


@pytest.mark.parametrize(("ours", "theirs"), [(KMeans, SklearnKMeans), (MiniBatchKMeans, SklearnMiniBatchKMeans)])
def test_parameters_are_scikit_learns_and_can_be_cloned(ours: type[Estimator], theirs: type) -> None:
    own = {"spherical", "backend"}
    assert set(ours(4).get_params()) - own <= set(theirs(4).get_params())  # type: ignore[call-arg]
    first = np.zeros((4, 2))
    model = clone(ours(4, init=first, random_state=3))  # type: ignore[call-arg]
    assert model.get_params()["random_state"] == 3
    assert model.set_params(max_iter=2) is model
    assert model.get_params()["max_iter"] == 2
    with pytest.raises(ValueError, match="has no parameter passes"):
        model.set_params(passes=2)


def test_directions_count_alone_where_they_are_asked_for() -> None:
    points = blobs()
    model = KMeans(10, spherical=True).fit(points)
    np.testing.assert_allclose(np.linalg.norm(model.cluster_centers_, axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(model.labels_, model.predict(7 * points))
    directions = points / np.linalg.norm(points, axis=1, keepdims=True)
    np.testing.assert_array_equal(model.transform(points).argmin(1), model.labels_)
    nearest = ((directions - model.cluster_centers_[model.labels_]) ** 2).sum()
    assert model.inertia_ == pytest.approx(nearest, rel=1e-4)


def test_a_stream_has_no_labels_kept() -> None:
    points = blobs()
    stream = StreamPoints(lambda: [points[:900], points[900:]])
    model, whole = KMeans(10).fit(stream), KMeans(10).fit(points)
    assert model.labels_ is None
    np.testing.assert_array_equal(model.fit_predict(stream), whole.labels_)
    with pytest.raises(ValueError, match="width 3 where 5 is needed"):
        model.predict(points[:, :3])
    assert model.predict(points[:0]).shape == (0,)


def test_memory_maps_and_shards(tmp_path: pytest.TempPathFactory) -> None:
    points = blobs()
    points.tofile(tmp_path / "points.f32")  # type: ignore[operator]
    mapped = np.memmap(tmp_path / "points.f32", points.dtype, "r").reshape(points.shape)  # type: ignore[operator]
    whole, shards = KMeans(10).fit(points), KMeans(10).fit([mapped[:700], mapped[700:]])
    np.testing.assert_allclose(whole.cluster_centers_, shards.cluster_centers_, atol=1e-5)
    assert len(set(whole.fit_predict(points))) == 10


def test_faiss_finds_the_same_centres() -> None:
    points = blobs()
    first = points[:20].copy()
    ours, theirs = (KMeans(20, init=first, max_iter=10, tol=0, backend=b).fit(points) for b in ("semcodec", "faiss"))
    assert theirs.inertia_ == pytest.approx(ours.inertia_, rel=0.01)


def test_a_missing_or_unknown_backend_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="'cuml' is not one of semcodec, faiss, kmeans-pytorch"):
        KMeans(3, backend="cuml").fit(blobs())  # type: ignore[arg-type]
    for module, backend, package in (("faiss", "faiss", "faiss-cpu"), ("kmeans_pytorch", "kmeans-pytorch", r"git\+https")):
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(ImportError, match=f"pip install {package}"):
            KMeans(3, backend=backend).fit(blobs())  # type: ignore[arg-type]
    assert set(BACKENDS) == {"faiss", "kmeans-pytorch"}


def test_kmeans_pytorch_is_called_as_its_newer_code_wants_it_and_its_release_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = {}

    def newer(points, num_clusters, distance, cluster_centers, tol, tqdm_flag, iter_limit):  # type: ignore[no-untyped-def]
        calls.update(passes=iter_limit, clusters=num_clusters, tol=tol)
        return torch.zeros(len(points)), cluster_centers

    def release(points, num_clusters, distance="euclidean", tol=1e-4, device="cpu"):  # type: ignore[no-untyped-def]
        raise AssertionError

    points = blobs()
    monkeypatch.setitem(sys.modules, "kmeans_pytorch", SimpleNamespace(kmeans=newer))
    fitted = KMeans(3, init=points[:3].copy(), max_iter=7, backend="kmeans-pytorch").fit(points)
    assert calls == {"passes": 7, "clusters": 3, "tol": 0}
    assert np.array_equal(fitted.cluster_centers_, points[:3])
    monkeypatch.setitem(sys.modules, "kmeans_pytorch", SimpleNamespace(kmeans=release))
    with pytest.raises(ImportError, match=r"0.3 cannot start from given centroids.*pip install git\+https"):
        KMeans(3, backend="kmeans-pytorch").fit(points)


@pytest.mark.parametrize("kind", [KMeans, MiniBatchKMeans])
@pytest.mark.filterwarnings("ignore")
def test_scikit_learns_own_checks(kind: type[Estimator]) -> None:
    """All but one: first centres are drawn from points, not from their weights, so twice a point is another draw."""
    known = {"check_sample_weight_equivalence_on_dense_data": "the draw of first centres does not look at weights"}
    found = check_estimator(kind(3), on_fail=None, on_skip=None, expected_failed_checks=known)  # type: ignore[call-arg]
    assert [row["check_name"] for row in found if row["status"] == "failed"] == []
    assert sum(row["status"] == "passed" for row in found) > 30


@pytest.mark.parametrize("kind", [KMeans, MiniBatchKMeans])
def test_a_step_of_a_pipeline(kind: type[Estimator]) -> None:
    points = blobs()
    line = Pipeline([("scale", StandardScaler()), ("clusters", kind(10))])  # type: ignore[call-arg]
    distances = line.fit_transform(points, np.zeros(len(points)))
    assert distances.shape == (len(points), 10)
    np.testing.assert_array_equal(distances.argmin(1), line.predict(points))
    scaled = StandardScaler().fit_transform(points)
    assert line.score(points) == pytest.approx(-line["clusters"].inertia_, rel=1e-5)
    assert line["clusters"].n_features_in_ == scaled.shape[1]
    assert list(line["clusters"].get_feature_names_out())[:1] == [f"{kind.__name__.lower()}0"]


@pytest.mark.parametrize("kind", [KMeans, MiniBatchKMeans])
def test_a_seed_may_be_a_generator_or_none(kind: type[Estimator]) -> None:
    points = blobs(600)
    makes = (lambda: np.random.RandomState(1), lambda: np.random.default_rng(1))
    for make in makes:
        first, again = (clone(kind(random_state=make())).fit(points) for _ in range(2))  # type: ignore[call-arg]
        np.testing.assert_array_equal(first.cluster_centers_, again.cluster_centers_)
    model = kind(random_state=None)  # type: ignore[call-arg]
    assert model.fit(points).cluster_centers_.shape == (8, points.shape[1])
    assert not np.array_equal(model.cluster_centers_, kind(random_state=None).fit(points).cluster_centers_)  # type: ignore[call-arg]


def test_a_weight_of_two_is_a_point_twice() -> None:
    points = blobs(500)
    weights = np.random.default_rng(0).integers(0, 4, len(points))
    first = points[:8].copy()
    weighed = KMeans(8, init=first, max_iter=9, tol=0).fit(points, sample_weight=weights)
    repeated = KMeans(8, init=first, max_iter=9, tol=0).fit(np.repeat(points, weights, axis=0))
    theirs = SklearnKMeans(8, init=first, n_init=1, max_iter=9, tol=0).fit(points, sample_weight=weights)
    np.testing.assert_allclose(weighed.cluster_centers_, repeated.cluster_centers_, atol=1e-5)
    np.testing.assert_allclose(weighed.cluster_centers_, theirs.cluster_centers_, atol=1e-2)
    assert weighed.inertia_ == pytest.approx(repeated.inertia_, rel=1e-6)
    assert weighed.score(points, sample_weight=weights) == pytest.approx(-weighed.inertia_)
    for wrong in (weights[:5], -weights, weights * 0, weights * np.nan):
        with pytest.raises(ValueError, match="weight"):
            KMeans(8).fit(points, sample_weight=wrong)
    with pytest.raises(ValueError, match="takes no sample_weight"):
        KMeans(8, backend="faiss").fit(points, sample_weight=weights)
    with pytest.raises(ValueError, match="do not know of weights"):
        kmeans(points, 8, weights=weights, checkpoint="c")
