import pytest
import torch

from quantizers import nearest as module
from quantizers.nearest import highest, nearest


@pytest.mark.parametrize(("n", "k", "d"), [(1, 1, 1), (100, 7, 3), (500, 300, 16)])
def test_agrees_with_cdist(n: int, k: int, d: int) -> None:
    points, codebook = torch.randn(n, d).double(), torch.randn(k, d).double()
    expected, index = torch.cdist(points, codebook).min(1)
    codes, distances = nearest(points, codebook)
    assert torch.equal(codes, index)
    torch.testing.assert_close(distances, expected.square())


def test_tiles_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    points, codebook = torch.randn(100, 4), torch.randn(50, 4)
    whole = nearest(points, codebook)[0]
    monkeypatch.setattr(module, "POINT_TILE", 7)
    monkeypatch.setattr(module, "CODE_TILE", 11)
    assert torch.equal(nearest(points, codebook)[0], whole)


def test_ties_go_to_the_lowest_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POINT_TILE", 2)
    monkeypatch.setattr(module, "CODE_TILE", 2)
    assert nearest(torch.zeros(3, 2), torch.ones(5, 2))[0].tolist() == [0, 0, 0]


@pytest.mark.parametrize(("width", "count"), [(8192, 8), (4096, 8), (8192, 1), (8192, 40), (100, 8), (6, 6)])
def test_the_highest_scores_are_those_that_looking_at_all_of_them_finds(width: int, count: int) -> None:
    scores = torch.randn(33, width, generator=torch.Generator().manual_seed(0))
    assert torch.equal(highest(scores, count), scores.topk(count, dim=1).indices)


def test_of_equal_scores_any_are_taken_but_none_twice() -> None:
    scores = torch.zeros(3, 8192)
    scores[:, 5000] = 1
    found = highest(scores, 8)
    assert found[:, 0].tolist() == [5000] * 3
    assert all(len(set(row)) == 8 for row in found.tolist())
