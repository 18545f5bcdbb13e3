"""Windows side by side, on one thread each.

Several threads inside one operation wait for each other after every layer. On a busy machine that costs far more than they
win: the slowest one is always just not running. Windows need not wait for each other, so each has a thread to itself, and
short clips, which are one window, have one. What comes out does not depend on how many threads there are.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from codec.arrays import has_torch

Item = TypeVar("Item")
Result = TypeVar("Result")
MOST = 8
"""Windows at once: what is gained beyond does not repay its memory."""
_lock = threading.Lock()
_pools: dict[int, ThreadPoolExecutor] = {}
"""By number of workers."""
_here = threading.local()


def at_once() -> int:
    """Windows that this thread has computed side by side: as many as torch would use threads for one."""
    return 1 if getattr(_here, "is_worker", False) else min(MOST, _threads())


@contextmanager
def one_each() -> Iterator[None]:
    """One thread for each operation: whoever asks for it has others that work beside it, or windows too short to share out."""
    if has_torch():
        from quantizers.threads import one_thread

        with one_thread():
            yield
        return
    before, _here.is_worker = getattr(_here, "is_worker", False), True
    try:
        yield
    finally:
        _here.is_worker = before


def _threads() -> int:
    """The number of threads: as torch counts them; without torch, as OpenMP is told, or one for each processor."""
    if (torch := sys.modules.get("torch")) is not None:
        return torch.get_num_threads()
    told = os.environ.get("OMP_NUM_THREADS", "")
    return int(told) if told.isdecimal() and int(told) else os.cpu_count() or 1


def side_by_side(function: Callable[[Any], Result], items: Sequence[Any]) -> list[Result]:
    """``function`` of every item, in order, each on one thread of torch's."""
    import torch

    if at_once() == 1 or not items or torch.is_autocast_enabled("cpu"):  # which belongs to the thread that asked for it
        return [function(item) for item in items]
    return list(_workers().map(function, items))


def in_order(
    function: Callable[[Item], Result], items: Sequence[Item], workers: int, stop: Callable[[], object]
) -> Iterator[Result]:
    """``function`` of every item, in order, on so many threads, never far ahead of what was taken.

    Args:
        function: of an item.
        items: to work on.
        workers: threads; 1: this one.
        stop: called when the work is given up, so that what still runs may end early.
    """
    if workers == 1:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(workers, "codec-file") as pool:
        waiting: deque[Future[Result]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BaseException:
            stop()
            for future in waiting:
                future.cancel()
            raise


def _workers() -> ThreadPoolExecutor:
    from quantizers.threads import lone_threads

    count = at_once()
    with _lock:
        if count not in _pools:
            _pools[count] = lone_threads(count, "codec-window", _mark)
        return _pools[count]


def _mark() -> None:
    _here.is_worker = True


def _forget() -> None:
    """A forked process has none of the workers."""
    global _lock
    _pools.clear()
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
