"""One item to a thread: threads that share a short computation wait for each other, most of all on a busy machine."""

from __future__ import annotations

import threading
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
    with lone_threads(torch.get_num_threads()) as pool:
        yield from pool.map(function, items)


def lone_threads(count: int, name: str = "", begin: Callable[[], object] = lambda: None) -> ThreadPoolExecutor:
    """A pool of threads, in each of which torch uses one thread; all other threads keep what they have.

    Args:
        count: of threads.
        name: theirs.
        begin: called in each of them.
    """
    usual, met = torch.get_num_threads(), threading.Barrier(count)
    pool = ThreadPoolExecutor(count, name)

    def start(_: int) -> None:
        begin()
        torch.set_num_threads(1)
        torch.get_num_threads()  # settles it for this thread: torch does so where a thread first needs to know
        met.wait()  # so that every thread gets one of these

    for _ in pool.map(start, range(count)):
        pass
    torch.set_num_threads(usual)  # a thread's choice is also that of threads which come later
    return pool


@contextmanager
def one_thread() -> Iterator[None]:
    """Uses one thread, for matrices so small that dividing them costs more than it saves."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
