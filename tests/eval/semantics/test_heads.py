from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import norm
from sklearn.metrics import average_precision_score, f1_score, roc_curve
from sklearn.neighbors import NearestNeighbors

from codec.errors import CodecError
from eval.semantics.heads import metrics
from eval.semantics.heads.frames import (
    Event,
    pooled,
    rasterise,
    segment_f1,
    segment_predictions,
    segment_targets,
)
from eval.semantics.heads.linear import Schedule, train_head
from eval.semantics.heads.neighbours import vote
from eval.semantics.heads.retrieval import Words, train_retrieval


def blobs(seed: int, count: int = 60, dim: int = 8, spread: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(0).standard_normal((3, dim)) * 2
    labels = np.arange(count) % 3
    return (centres[labels] + spread * random.standard_normal((count, dim))).astype(np.float32), labels


def test_neighbours_agree_with_scikit_learn() -> None:
    train, labels = blobs(1, spread=3)
    test, _ = blobs(2, spread=3)
    searcher = NearestNeighbors(n_neighbors=10, metric="cosine", algorithm="brute").fit(train)
    distances, indices = searcher.kneighbors(test)
    weights = np.exp((1 - distances) / 0.07)
    expected = np.zeros((len(test), 3))
    for row in range(len(test)):
        for weight, index in zip(weights[row], indices[row], strict=True):
            expected[row, labels[index]] += weight / weights[row].sum()
    assert np.allclose(vote(train, labels, test, 3), expected, atol=1e-4)


def test_neighbours_do_not_depend_on_scale_or_order() -> None:
    train, labels = blobs(1)
    test, _ = blobs(2)
    order = np.random.default_rng(0).permutation(len(train))
    assert np.allclose(vote(train, labels, test, 3), vote(7 * train[order], labels[order], 0.1 * test, 3), atol=1e-5)


def test_neighbours_as_the_code_of_xares_finds_them() -> None:
    train, labels = blobs(1, spread=3)
    test, _ = blobs(2, spread=3)
    # Written out with torch, dimension by dimension.
    scaled = torch.nn.functional.normalize(torch.from_numpy(train).T, dim=1)
    similarity, nearest = (torch.nn.functional.normalize(torch.from_numpy(test), dim=1) @ scaled).topk(10)
    weights = (similarity / 0.07).softmax(1)
    expected = (torch.nn.functional.one_hot(torch.from_numpy(labels)[nearest], 3) * weights[..., None]).sum(1)
    votes = vote(train, labels, test, 3, by_dimension=True)
    assert np.allclose(votes, expected.numpy(), atol=1e-5)
    assert not np.allclose(votes, vote(train, labels, test, 3), atol=1e-2)


def test_too_few_neighbours() -> None:
    train, labels = blobs(1, count=9)
    with pytest.raises(CodecError, match="9 training clips are fewer than the 10 neighbours"):
        vote(train, labels, train, 3)


@given(st.integers(0, 10**6), st.booleans())
def test_average_precision_agrees_with_scikit_learn(seed: int, ties: bool) -> None:
    random = np.random.default_rng(seed)
    scores = random.random((30, 4))
    scores = scores.round(1) if ties else scores
    targets = random.random((30, 4)) < 0.3
    targets[0] = True
    expected = average_precision_score(targets, scores, average="macro")
    assert metrics.mean_average_precision(scores, targets) == pytest.approx(expected)


def test_classes_that_nothing_belongs_to() -> None:
    scores, targets = np.array([[0.9, 0.1], [0.2, 0.3]]), np.array([[True, False], [False, False]])
    assert metrics.mean_average_precision(scores, targets) == 1.0
    assert metrics.mean_average_precision(scores, targets, absent_as_zero=True) == 0.5


@given(st.integers(0, 10**6), st.sampled_from(["micro", "macro"]))
def test_f1_agrees_with_scikit_learn(seed: int, average: str) -> None:
    random = np.random.default_rng(seed)
    predictions, targets = random.random((20, 3)) < 0.4, random.random((20, 3)) < 0.4
    expected = f1_score(targets, predictions, average=average, zero_division=0)
    assert metrics.f1(predictions, targets, average) == pytest.approx(expected)


@given(st.integers(0, 10**6), st.sampled_from([2, 50]))
def test_equal_error_rates_agree_with_scikit_learn(seed: int, levels: int) -> None:
    """Many pairs with equal scores among them."""
    random = np.random.default_rng(seed)
    same = random.random(60) < 0.4
    scores = np.round((random.standard_normal(60) + same) * levels) / levels
    if same.all() or not same.any():
        return
    wrong, right, _ = roc_curve(same, scores, drop_intermediate=False)
    expected = brentq(lambda x: 1 - x - np.interp(x, wrong, right), 0, 1)
    assert metrics.equal_error_rate(scores, same) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("apart", [0.0, 1.0, 3.0])
def test_equal_error_rates_of_normal_scores(apart: float) -> None:
    """In closed form: two normals of one width that are so far apart cross at Φ(−d/2)."""
    ranks = (np.arange(5_000) + 0.5) / 5_000
    scores = np.concatenate([norm.ppf(ranks) + apart, norm.ppf(ranks)])
    same = np.arange(10_000) < 5_000
    assert metrics.equal_error_rate(scores, same) == pytest.approx(norm.cdf(-apart / 2), abs=3e-4)
    assert metrics.equal_error_rate(-scores, same) == pytest.approx(norm.cdf(apart / 2), abs=3e-4)


def test_segments_by_hand() -> None:
    # Class 0 sounds from 0.9 to 1.1 s: it touches the first and second segment, as sed_eval counts.
    target = segment_targets([Event(0.9, 1.1, 0), Event(2.0, 3.0, 1)], 3.0, 1.0, 2)
    assert target.tolist() == [[True, False], [True, False], [False, True]]
    active = np.zeros((30, 2), bool)
    active[9:11, 0] = True
    active[5:8, 1] = True
    prediction = segment_predictions(active, 0.1, 1.0, 3)
    assert prediction.tolist() == [[True, True], [True, False], [False, False]]
    # 2 hits, 1 false alarm, 1 miss.
    assert segment_f1([prediction], [target], "micro") == pytest.approx(2 / 3)
    assert segment_f1([prediction], [target], "macro") == pytest.approx(0.5)


def test_segments_survive_rounding() -> None:
    assert len(segment_targets([], 0.3, 0.1, 1)) == 3
    assert segment_targets([Event(0.0, 0.3, 0)], 0.6, 0.1, 1)[:, 0].tolist() == [True] * 3 + [False] * 3


def test_xares_pools_whole_numbers_of_frames_only() -> None:
    active = rasterise([Event(0.0, 0.05, 0), Event(0.6, 0.7, 0)], 8, 0.08, 1) > 0
    assert pooled(active, 0.08, 0.1)[:, 0].tolist() == [True, False, False, False]
    assert pooled(active, 0.08, 0.2)[:, 0].tolist() == [True, False]


def accuracy_of(vectors: np.ndarray, labels: np.ndarray):
    return lambda head: metrics.accuracy(head.scores(vectors), labels)


def test_linear_head_learns_and_repeats_itself() -> None:
    from torch.nn import functional as F

    train, labels = blobs(1, 300)
    valid = blobs(2, 90)
    test, wanted = blobs(3, 90)
    heads = [
        train_head(train, labels, 3, F.cross_entropy, accuracy_of(*valid), Schedule(epochs=20, learning_rate=1e-2, seed=7))
        for _ in range(2)
    ]
    assert metrics.accuracy(heads[0].scores(test), wanted) > 0.9
    assert (heads[0].scores(test) == heads[1].scores(test)).all()


def test_the_best_epoch_is_kept() -> None:
    from torch.nn import functional as F

    train, labels = blobs(1)
    seen: list[np.ndarray] = []
    values = iter([0.1, 0.9, 0.5])

    def score(head) -> float:
        seen.append(head.scores(train))
        return next(values)

    head = train_head(train, labels, 3, F.cross_entropy, score, Schedule(epochs=3))
    assert (head.scores(train) == seen[1]).all()
    assert (head.scores(train) != seen[2]).any()


def test_retrieval_finds_the_text_of_a_clip() -> None:
    random = np.random.default_rng(0)
    words = ["dog", "rain", "piano", "engine", "speech", "bell"]
    vectors = np.eye(6, 12, dtype=np.float32)

    def clips(copies: int) -> tuple[np.ndarray, list[list[str]]]:
        rows = [
            (vectors[i] + 0.02 * random.standard_normal(12).astype(np.float32), [f"a {words[i]}", f"the {words[i]}!"])
            for i in range(6)
            for _ in range(copies)
        ]
        return np.stack([v for v, _ in rows]).astype(np.float32), [t for _, t in rows]

    train, captions = clips(4)
    test, wanted = clips(1)
    model = train_retrieval(train, captions, (test, wanted), Schedule(epochs=4, batch_size=12))
    assert model.score(test, wanted) > 0.8
    assert len(Words(["A dog.", "a DOG"])) == 3


def test_recall_by_hand() -> None:
    similarity = np.array([[0.9, 0.1, 0.3], [0.8, 0.2, 0.7]])
    # Texts 0 and 1 are of clip 0, text 2 of clip 1. Audio → text: clip 0 right, clip 1 picks text 0. Text → audio: 0 and 2.
    assert metrics.recall_at_1(similarity, np.array([0, 0, 1])) == pytest.approx((1 / 2 + 2 / 3) / 2)
