"""One item to a thread: threads that share a short computation wait for each other, most of all on a busy machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_threads(function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """``[function(item) for item in items]``, as many at a time as torch has threads, each without helpers of its own.

    Results do not depend on how many run beside each other. What fails first in the order of the items is raised.
    """
    return list(each_in_thread(function, items))


def each_in_thread(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """`in_threads`, result by result as they are done: a progress bar goes around this, not around the items."""
    with ThreadPoolExecutor(torch.get_num_threads(), initializer=torch.set_num_threads, initargs=(1,)) as pool:
        yield from pool.map(function, items)


@contextmanager
def one_thread() -> Iterator[None]:
    """For work on matrices so small that dividing them costs more than it saves."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
