"""Residual k-means: codewords add up, the first code is the nearest, the search is not far from the best there is."""

from __future__ import annotations

import itertools

import pytest
import torch

from quantizers.fit_residual import fit_residual
from quantizers.residual import ResidualKMeansQuantizer, search


@pytest.fixture(scope="module")
def fitted() -> tuple[ResidualKMeansQuantizer, torch.Tensor]:
    torch.manual_seed(0)
    points = torch.randn(4000, 6) * torch.tensor([4.0, 2.0, 1.0, 1.0, 0.5, 0.5])
    quantizer = ResidualKMeansQuantizer((16, 64, 64), 6)
    shares = fit_residual(quantizer, points[:3000])
    assert 1 > shares[0] > shares[1] > shares[2] > 0
    return quantizer, points[3000:]


def test_codewords_add_up(fitted: tuple[ResidualKMeansQuantizer, torch.Tensor]) -> None:
    quantizer, points = fitted
    vectors = points.reshape(4, 250, 6)
    quantized = quantizer(vectors)
    assert quantized.codes.shape == (4, 3, 250)
    assert torch.equal(quantizer.decode(quantized.codes), quantized.values)
    books = [book[quantized.codes[:, index]] for index, book in enumerate(quantizer.codebooks)]
    torch.testing.assert_close(quantizer.total(quantized.values), sum(books))
    torch.testing.assert_close(quantizer.total(quantizer.exact(vectors)), vectors)
    for count in (1, 2):
        exact = quantizer.exact(vectors, count)
        torch.testing.assert_close(quantizer.total(exact), vectors)
        assert torch.equal(exact[..., : 6 * (count - 1)], quantized.values[..., : 6 * (count - 1)])
        assert not exact[..., 6 * count :].any()
    few = quantizer.decode(quantized.codes[:, :1])
    assert torch.equal(few[..., :6], quantized.values[..., :6])
    assert few.shape == quantized.values.shape
    assert not few[..., 6:].any()


def test_more_codes_are_nearer_and_the_first_is_nearest(fitted: tuple[ResidualKMeansQuantizer, torch.Tensor]) -> None:
    quantizer, points = fitted
    codes = quantizer.encode(points[None])
    assert torch.equal(codes[0, 0], torch.cdist(points, quantizer.codebooks[0]).argmin(1))
    left = [(quantizer.total(quantizer.decode(codes[:, :count]))[0] - points).square().sum(1).mean() for count in range(1, 4)]
    assert left[0] > 2 * left[1] > 4 * left[2]


def test_the_search_is_better_than_one_code_at_a_time_and_near_the_best(
    fitted: tuple[ResidualKMeansQuantizer, torch.Tensor],
) -> None:
    quantizer, points = fitted
    books = list(quantizer.codebooks)
    found = quantizer.total(quantizer.decode(search(points, points, books).T[None]))[0]
    rest = points
    for book in books:
        rest = rest - book[torch.cdist(rest, book).argmin(1)]
    greedy = rest.square().sum(1)
    first = books[0][torch.cdist(points, books[0]).argmin(1)]
    sums = torch.stack([one + other for one, other in itertools.product(books[1], books[2])])
    best = torch.cdist(points - first, sums).amin(1).square()
    ours = (found - points).square().sum(1)
    assert (ours >= best - 1e-4).all()
    assert ours.mean() < 1.05 * best.mean() < greedy.mean()


@pytest.mark.parametrize("sizes", [(4,), (4, 4), (4, 4, 4, 4)])
def test_any_number_of_codebooks(sizes: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    quantizer = ResidualKMeansQuantizer(sizes, 3)
    vectors = torch.randn(2, 9, 3)
    codes = quantizer.encode(vectors)
    assert codes.shape == (2, len(sizes), 9)
    assert torch.equal(codes[1], quantizer.encode(vectors[1:])[0])
    assert quantizer.encode(vectors[:, :0]).shape == (2, len(sizes), 0)


def test_too_few_vectors_are_refused() -> None:
    with pytest.raises(ValueError, match="clusters"):
        fit_residual(ResidualKMeansQuantizer((16,), 3), torch.randn(9, 3))


def test_the_first_code_can_have_an_aim_of_its_own(fitted: tuple[ResidualKMeansQuantizer, torch.Tensor]) -> None:
    quantizer, points = fitted
    vectors, others = points[None, :200], points[None, 200:400]
    codes = quantizer.encode(vectors, others)
    assert torch.equal(codes[:, 0], quantizer.encode(others)[:, 0])
    assert torch.equal(quantizer.encode(vectors, vectors), quantizer.encode(vectors))
    left = (vectors - quantizer.total(quantizer.decode(codes))).square().sum()
    assert left < (vectors - quantizer.total(quantizer.decode(codes[:, :1]))).square().sum()
