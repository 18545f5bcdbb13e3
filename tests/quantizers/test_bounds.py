from unittest import mock

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from quantizers import bounds
from quantizers.bounds import BoundedSearch
from quantizers.kmeans import kmeans
from quantizers.nearest import nearest


def drawn(generator: torch.Generator, n: int, dim: int, scale: float) -> torch.Tensor:
    return scale * torch.randn(n, dim, generator=generator)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**16),
    n=st.integers(1, 300),
    k=st.integers(16, 90),
    dim=st.integers(1, 12),
    scale=st.sampled_from([1e-3, 1.0, 1e3]),
    moves=st.lists(st.sampled_from(["none", "little", "one far", "all far", "onto points", "onto each other"]), max_size=6),
    rounds=st.booleans(),
)
def test_the_result_is_that_of_a_full_search(
    seed: int, n: int, k: int, dim: int, scale: float, moves: list[str], rounds: bool
) -> None:
    with mock.patch.object(bounds, "gains_from_rounding", return_value=rounds):
        compare(seed, n, k, dim, scale, moves)


def compare(seed: int, n: int, k: int, dim: int, scale: float, moves: list[str]) -> None:
    """Searches after each move, with what is known from before, against all distances."""
    generator = torch.Generator().manual_seed(seed)
    points, centroids = drawn(generator, n, dim, scale), drawn(generator, k, dim, scale)
    search = BoundedSearch(tile=4)
    for move in ["none", *moves]:
        after = centroids.clone()
        if move == "little":
            after += drawn(generator, k, dim, scale / 100)
        elif move == "one far":
            after[seed % k] = drawn(generator, 1, dim, scale)[0]
        elif move == "all far":
            after = drawn(generator, k, dim, scale)
        elif move == "onto points":
            after[: min(n, k)] = points[: min(n, k)]
        elif move == "onto each other":
            after[::2] = after[0].clone()
        search.moved(centroids, after)
        centroids = after
        codes, distances = search.nearest(0, points, centroids)
        exact = (points.double()[:, None] - centroids.double()).square().sum(2)
        slack = 1e-5 * points.double().square().sum(1) + 1e-5 * exact.amin(1)
        assert (exact.gather(1, codes[:, None])[:, 0] <= exact.amin(1) + slack).all()
        assert ((distances.double() - exact.amin(1)).abs() <= slack).all()


@pytest.mark.parametrize("rounds", [False, True])
def test_tiles_are_left_out(rounds: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "gains_from_rounding", lambda: rounds)
    rng = torch.Generator().manual_seed(0)
    modes = drawn(rng, 64, 32, 1.0)
    points = modes.repeat(20, 1) + drawn(rng, 1280, 32, 0.1)
    search, products = BoundedSearch(tile=8), 0
    search.nearest(0, points, modes)
    addmm = torch.addmm

    def counted(bias: torch.Tensor, left: torch.Tensor, *others: torch.Tensor, **out: torch.Tensor) -> torch.Tensor:
        nonlocal products
        products += len(left) * len(bias)
        return addmm(bias, left, *others, **out)

    monkeypatch.setattr(torch, "addmm", counted)
    moved = modes + drawn(rng, 64, 32, 0.01)
    moved[5] = 3.0  # one that went far costs its own products, not those of its tile
    search.moved(modes, moved)
    codes, _ = search.nearest(0, points, moved)
    full = (points[:, None] - moved).square().sum(2).argmin(1)
    assert torch.equal(codes, full)
    assert products < 0.5 * len(points) * len(moved)


@pytest.mark.parametrize("rounds", [False, True])
def test_pieces_beyond_the_memory_for_bounds_are_searched_in_full(rounds: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "gains_from_rounding", lambda: rounds)
    monkeypatch.setattr(bounds, "BOUNDS_BYTES", 8000)
    points, centroids = torch.randn(900, 4), torch.randn(64, 4)
    search = BoundedSearch(tile=8)
    for piece in (0, 1, 2):
        codes, _ = search.nearest(piece, points[piece * 300 :][:300], centroids)
        assert torch.equal(codes, nearest(points[piece * 300 :][:300], centroids)[0])
    assert list(search._known) == [0]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_points_that_are_not_finite_are_found(value: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quantizers.kmeans.BoundedSearch", lambda: BoundedSearch(tile=8))
    points = np.random.default_rng(0).standard_normal((3000, 4)).astype(np.float32)
    points[1000] = value
    with pytest.raises(ValueError, match="NaN or infinite"):
        kmeans(points, 64, 2)


@pytest.mark.parametrize("rounds", [False, True])
def test_clusterings_are_those_of_full_searches(rounds: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "gains_from_rounding", lambda: rounds)
    rng = np.random.default_rng(0)
    points = rng.standard_normal((40, 6))[rng.integers(40, size=6000)] + 0.2 * rng.standard_normal((6000, 6))
    plain = kmeans(points.astype(np.float32), 64, 12)  # one tile: in full
    monkeypatch.setattr("quantizers.kmeans.BoundedSearch", lambda: BoundedSearch(tile=8))
    bounded = kmeans(points.astype(np.float32), 64, 12)
    # Ties within rounding may go either way.
    assert [row.inertia for row in bounded.iterations] == pytest.approx([row.inertia for row in plain.iterations], rel=1e-4)
