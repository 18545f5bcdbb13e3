from __future__ import annotations

import math

import pytest
import torch

from train.reader.run import contrast, missed


def test_it_is_the_mean_of_what_each_vector_says() -> None:
    vectors = torch.randn(8, 5, generator=torch.Generator().manual_seed(0))
    rows = [(row / row.norm()).tolist() for row in vectors]
    expected = 0.0
    for index, row in enumerate(rows):
        scores = {j: sum(a * b for a, b in zip(row, other, strict=True)) / 0.2 for j, other in enumerate(rows) if j != index}
        expected -= scores[index ^ 1] - math.log(sum(map(math.exp, scores.values())))
    assert contrast(vectors, 0.2).item() == pytest.approx(expected / 8, rel=1e-5)


def test_chance_is_the_logarithm_of_how_many_others_there_are() -> None:
    assert contrast(torch.ones(6, 3), 0.1).item() == pytest.approx(math.log(5), rel=1e-5)


def test_lengths_do_not_matter() -> None:
    vectors = torch.randn(6, 4)
    torch.testing.assert_close(contrast(vectors, 0.1), contrast(vectors * torch.rand(6, 1).add(0.5), 0.1))


def test_who_finds_whom() -> None:
    vectors = torch.tensor([[1.0, 0, 0], [0.9, 0.1, 0], [0, 1, 0], [0.1, 0, 1]])
    assert missed(vectors) == pytest.approx(0.5)
