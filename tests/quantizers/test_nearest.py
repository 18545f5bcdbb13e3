import pytest
import torch

from quantizers import nearest as module
from quantizers.nearest import nearest


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
