"""Clips beside each other: the order stays, the first failure is raised, and nobody else's threads change."""

from __future__ import annotations

import threading
import time

import pytest
import torch

from quantizers.nearest import POINT_TILE, nearest
from quantizers.threads import in_threads, one_thread


def test_order_and_threads_stay_as_they_were() -> None:
    before = torch.get_num_threads()

    def slow_first(number: int) -> tuple[int, int, bool]:
        time.sleep(0.02 if number == 0 else 0)
        return number, torch.get_num_threads(), threading.current_thread() is threading.main_thread()

    assert in_threads(slow_first, range(6)) == [(number, 1, False) for number in range(6)]
    assert torch.get_num_threads() == before
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


def test_the_first_failure_in_order_is_raised() -> None:
    def fail(number: int) -> int:
        if number:
            raise ValueError(str(number))
        time.sleep(0.02)
        return number

    with pytest.raises(ValueError, match=r"^1$"):
        in_threads(fail, range(4))


def test_nearest_codewords_do_not_depend_on_threads() -> None:
    points, codebook = torch.randn(3 * POINT_TILE + 5, 8), torch.randn(300, 8)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        several = nearest(points, codebook)
        torch.set_num_threads(1)
        one = nearest(points, codebook)
    finally:
        torch.set_num_threads(before)
    assert torch.equal(several[0], one[0])
    torch.testing.assert_close(several[1], one[1])
    torch.testing.assert_close(one[1], torch.cdist(points, codebook).square().amin(1), rtol=1e-3, atol=1e-3)


def test_threads_that_come_later_are_not_lonely() -> None:
    """A worker's choice would else be theirs, too."""
    before = torch.get_num_threads()
    seen: list[int] = []
    try:
        torch.set_num_threads(3)
        in_threads(abs, range(4))
        later = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
        later.start()
        later.join()
    finally:
        torch.set_num_threads(before)
    assert seen == [3]
