"""Residual search by a metric of every vector's own: it costs least, and is the plain one where all errors weigh alike."""

from __future__ import annotations

import itertools

import pytest
import torch

from quantizers.residual import ResidualKMeansQuantizer, search
from quantizers.weighted import Metric, weighted_search

DIM, SIZES = 5, (8, 24, 24)


@pytest.fixture(scope="module")
def books() -> list[torch.Tensor]:
    torch.manual_seed(0)
    return [torch.randn(size, DIM) / (1 + index) for index, size in enumerate(SIZES)]


def weighed(points: torch.Tensor, seed: int = 1) -> Metric:
    """Directions that weigh 1 to 100, others for every point."""
    torch.manual_seed(seed)
    turned = torch.linalg.qr(torch.randn(len(points), DIM, DIM))[0]
    products = turned @ torch.diag_embed(10 ** (2 * torch.rand(len(points), DIM))) @ turned.transpose(1, 2)
    return Metric(products, (products @ points[..., None])[..., 0])


def costs(metric: Metric, codewords: torch.Tensor) -> torch.Tensor:
    return torch.einsum("nd,nde,ne->n", codewords, metric.products, codewords) - 2 * (metric.slopes * codewords).sum(1)


def told(books: list[torch.Tensor], codes: torch.Tensor) -> torch.Tensor:
    return torch.stack([book[code] for book, code in zip(books, codes.T, strict=True)]).sum(0)


def test_codes_cost_less_than_the_nearest_and_little_more_than_the_best(books: list[torch.Tensor]) -> None:
    torch.manual_seed(2)
    points = torch.randn(500, DIM)
    metric = weighed(points)
    plain, ours = search(points, points, books), weighted_search(points, points, metric, books)
    assert torch.equal(plain[:, 0], ours[:, 0]), "the first code is the nearest"
    constant = torch.einsum("nd,nd->n", metric.slopes, points)
    all_codes = torch.tensor(list(itertools.product(*map(range, SIZES[1:]))))
    rests = torch.stack([books[1][one] + books[2][two] for one, two in all_codes])
    best = torch.stack(
        [
            (costs(Metric(*(part[None] for part in each)), (books[0][code] + rests)) + offset).amin()
            for each, code, offset in zip(zip(*metric, strict=True), plain[:, 0], constant, strict=True)
        ]
    )
    near, found = (costs(metric, told(books, codes)) + constant for codes in (plain, ours))
    assert (found >= best - 1e-3).all()
    assert found.mean() < 1.2 * best.mean() < 0.8 * near.mean()


def test_where_all_errors_weigh_alike_it_is_the_plain_search(books: list[torch.Tensor]) -> None:
    torch.manual_seed(3)
    points = torch.randn(200, DIM)
    metric = Metric(torch.eye(DIM).expand(len(points), -1, -1), points)
    assert torch.equal(weighted_search(points, points, metric, books), search(points, points, books))


def test_a_metric_moves_with_its_vector(books: list[torch.Tensor]) -> None:
    torch.manual_seed(4)
    points, by = torch.randn(50, DIM), torch.randn(50, DIM)
    moved, there = weighed(points).moved(by), weighed(points + by)
    for one, other in zip(moved, there, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("sizes", [(4, 3), (2, 3, 3, 30)])
def test_batches_of_any_shape_are_searched_as_their_vectors(sizes: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quantizers.residual.WEIGHED_ROWS", 7)
    torch.manual_seed(5)
    quantizer = ResidualKMeansQuantizer(sizes, DIM)
    vectors = torch.randn(3, 11, DIM)
    metric = weighed(vectors.flatten(0, 1))
    shaped = Metric(metric.products.view(3, 11, DIM, DIM), metric.slopes.view(3, 11, DIM))
    codes = quantizer.encode(vectors, metric=shaped)
    assert codes.shape == (3, len(sizes), 11)
    for row in range(3):
        alone = quantizer.encode(vectors[row : row + 1], metric=Metric(*(part[row : row + 1] for part in shaped)))
        assert torch.equal(codes[row], alone[0])
    assert quantizer.encode(vectors[:, :0], metric=Metric(*(part[:, :0] for part in shaped))).shape == (3, len(sizes), 0)


def test_a_metric_does_not_move_the_only_code() -> None:
    quantizer = ResidualKMeansQuantizer((8,), DIM)
    points = torch.randn(1, 9, DIM)
    assert torch.equal(
        quantizer.encode(points), quantizer.encode(points, metric=Metric(*(part[None] for part in weighed(points[0]))))
    )
