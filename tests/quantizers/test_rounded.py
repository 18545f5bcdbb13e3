"""Bounds hold whatever is rounded; what they leave out is never the nearest. Any processor computes bfloat16, if slowly."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from quantizers import bounds, rounded
from quantizers.bounds import BoundedSearch
from quantizers.nearest import nearest
from quantizers.rounded import RoundedBlock, RoundedTiles, gains_from_rounding


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**16),
    n=st.integers(1, 80),
    k=st.integers(1, 40),
    dim=st.sampled_from([1, 3, 33, 200]),
    scale=st.sampled_from([1e-6, 1e-3, 1.0, 1e6]),
    offset=st.sampled_from([0.0, 1.0, 300.0]),
    apart=st.sampled_from([0.0, 1e-4, 1.0]),
)
def test_distances_lie_between_the_bounds(
    seed: int, n: int, k: int, dim: int, scale: float, offset: float, apart: float
) -> None:
    generator = torch.Generator().manual_seed(seed)
    codewords = scale * (offset + torch.randn(k, dim, generator=generator))
    picked = codewords[torch.randint(k, (n,), generator=generator)]
    points = picked + scale * apart * torch.randn(n, dim, generator=generator)  # on a codeword, near it or far from it
    block = RoundedBlock(points, RoundedTiles(codewords, tile=7))
    exact = torch.cdist(points.double(), codewords.double())
    error = 1e-6 * (points.double().norm(dim=1) + codewords.double().norm(dim=1).amax())  # of the bounds' own arithmetic
    tiles = [slice(start, min(start + 7, k)) for start in range(0, k, 7)]
    last = torch.arange(tiles[-1].start, k, 2)  # some of the last tile's
    found = [block.between(torch.stack([block.lowest(tile) for tile in tiles]))]
    found.append(block.between(block.lowest(last)[None], torch.tensor([len(tiles) - 1])))
    distances = [torch.stack([exact[:, tile].amin(1) for tile in tiles]), exact[:, last].amin(1)[None]]
    for (least, most), distance in zip(found, distances, strict=True):
        assert (least <= distance + error).all()
        assert (most >= distance - error).all()
        assert (most - least <= 0.25 * distance + 0.05 * scale * (offset + 5) * dim**0.5).all()  # and they say something
    rows = torch.arange(0, n, 2)
    close = {"rtol": 2e-2, "atol": 1e-2 * float(block._points.half_squares.max())}  # sums may be added in another order
    halves = [bits.view(torch.bfloat16).float() for bits in (block.lowest(tiles[0])[rows], block.lowest(tiles[0], rows))]
    torch.testing.assert_close(*halves, **close)


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Products in single precision, block by block."""
    found: list[int] = []
    addmm = torch.addmm

    def count(bias: torch.Tensor, left: torch.Tensor, *others: torch.Tensor, **out: torch.Tensor) -> torch.Tensor:
        found.append(len(left) * len(bias))
        return addmm(bias, left, *others, **out)

    monkeypatch.setattr(torch, "addmm", count)
    return found


@pytest.mark.parametrize("clusters", [64, 200])
def test_few_codewords_are_compared_in_full(clusters: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the fewest tiles of which bounds are kept, and with 25."""
    monkeypatch.setattr(bounds, "gains_from_rounding", lambda: True)
    generator = torch.Generator().manual_seed(0)
    codewords = torch.randn(clusters, 32, generator=generator)
    points = codewords.repeat(3, 1) + 0.3 * torch.randn(3 * clusters, 32, generator=generator)
    expected = torch.cdist(points.double(), codewords.double()).argmin(1)
    products = counted(monkeypatch)
    codes, _ = BoundedSearch(tile=8).nearest(0, points, codewords)
    assert torch.equal(codes, expected)
    assert sum(products) < 0.55 * len(points) * clusters
    assert sum(products) >= len(points) * 8  # a tile each
    products.clear()
    codes, _ = BoundedSearch(tile=8).nearest(0, points + 20, codewords + 20)  # numbers that round to few different ones
    assert torch.equal(codes, expected)
    assert sum(products) < 0.55 * len(points) * clusters
    assert len(BoundedSearch(tile=8).nearest(0, points[:0], codewords)[0]) == 0


def test_codewords_that_rounding_cannot_tell_apart_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "gains_from_rounding", lambda: True)
    codewords = 8 + torch.arange(64)[:, None] / 64 + torch.zeros(64, 4)
    assert len(codewords.bfloat16().unique(dim=0)) < 20
    points = codewords.flip(0) + 1 / 1024
    codes, distances = BoundedSearch(tile=8).nearest(0, points, codewords)
    assert codes.tolist() == list(range(63, -1, -1))
    torch.testing.assert_close(distances, nearest(points, codewords)[1], atol=1e-3, rtol=0)  # of squares of 300


def test_what_is_no_number_is_left_to_single_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "gains_from_rounding", lambda: True)
    points, codewords = torch.randn(50, 4), torch.randn(32, 4)
    for wrong in (float("nan"), float("inf"), 1e30):  # the square of the last is beyond all numbers
        spoilt = points.clone()
        spoilt[7] = wrong
        codes, distances = BoundedSearch(tile=8).nearest(0, spoilt, codewords)
        assert not torch.isfinite(distances[7])
        others = torch.arange(50) != 7
        assert torch.equal(codes[others], nearest(points, codewords)[0][others])


def test_a_torch_that_does_not_know_its_processor_goes_on_in_single_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(gains_from_rounding(), bool)
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert rounded.gains_from_rounding.__wrapped__() is False
