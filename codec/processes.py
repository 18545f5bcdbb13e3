"""Tasks spread over processes of this machine; one that dies takes only its own task along."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Generic, TypeVar

from codec.errors import CodecError, one_line

Task = TypeVar("Task")
Result = TypeVar("Result")
_QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""Where Linux tells a container how many microseconds of processors it has in how many: ``200000 100000``, ``max 100000``."""


def processors() -> int:
    """How many this process may use: fewer than the machine has where it was bound to some, or its container has a quota."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = map(int, _QUOTA.read_text("utf-8").split())
    except (OSError, ValueError):  # none
        return count
    return min(count, max(1, -(-quota // period)))


def in_processes(
    waiting: deque[Task], makers: Sequence[Callable[[], Callable[[Task], Result]]]
) -> Generator[tuple[Task, Result | None], None, None]:
    """Works the tasks off, and those that are added meanwhile; yields them as they are done, in any order.

    Args:
        waiting: tasks; emptied in order.
        makers: one for each process: called there, it gives the function that does the tasks. All of it is pickled.

    Yields:
        The task, and its result, or None if the process that worked on it died.

    Raises:
        CodecError: a task, or a maker, met with one.
        RuntimeError: it met with another error, whose traceback this holds.
    """
    workers = [_Worker(make) for make in makers[: len(waiting)]]
    try:
        while waiting or any(worker.busy for worker in workers):
            for worker in workers:
                if not worker.busy and waiting:
                    worker.begin(waiting.popleft())
            for ready in wait([worker.results for worker in workers if worker.busy]):
                worker = next(worker for worker in workers if worker.results is ready)
                task, result = worker.finish()
                if result is None:
                    workers[workers.index(worker)] = _Worker(worker.make)
                yield task, result
    finally:
        for worker in workers:
            worker.end()


def in_order(
    tasks: Iterable[Task], make: Callable[[], Callable[[Task], Result]], workers: int, ahead: int
) -> Iterator[tuple[Task, Result]]:
    """Works tasks off in processes and yields them in their own order.

    Args:
        tasks: read as they are needed.
        make: gives the function that does the tasks, as in `in_processes`. It never returns None.
        workers: processes.
        ahead: tasks that are read before the first of them is yielded, at the most.

    Raises:
        CodecError: a task met with one, or its process died.
        RuntimeError: a task met with another error.
    """
    numbered = enumerate(tasks)
    waiting = deque(islice(numbered, ahead))
    done: dict[int, tuple[Task, Result]] = {}
    following = 0
    with contextlib.closing(in_processes(waiting, [partial(_without_number, make)] * workers)) as results:
        for (number, task), result in results:
            if result is None:
                raise CodecError(one_line(f"a process died (a fault in native code, or too little memory) at {task}"))
            done[number] = task, result
            while following in done:
                yield done.pop(following)
                following += 1
                waiting.extend(islice(numbered, 1))


def _without_number(make: Callable[[], Callable[[Task], Result]]) -> Callable[[tuple[int, Task]], Result]:
    work = make()
    return lambda numbered: work(numbered[1])


class _Worker(Generic[Task, Result]):
    """A process, and what it is doing."""

    def __init__(self, make: Callable[[], Callable[[Task], Result]]) -> None:
        # Forked processes would inherit the locks of PyTorch's threads.
        context = multiprocessing.get_context("spawn")
        self.make = make
        self._tasks: list[Task] = []
        self.results, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(make, theirs), daemon=True)
        self._process.start()
        # Only the worker holds the other end now: when it dies, ours says so.
        theirs.close()

    @property
    def busy(self) -> bool:
        return bool(self._tasks)

    def begin(self, task: Task) -> None:
        self._tasks.append(task)
        with contextlib.suppress(OSError):  # it has died: `finish` will find out
            self.results.send(task)

    def finish(self) -> tuple[Task, Result | None]:
        task = self._tasks.pop()
        try:
            error, result = self.results.recv()
        except (EOFError, OSError):
            self.end()
            return task, None
        if error is not None:
            raise error
        return task, result

    def end(self) -> None:
        self._process.kill()
        self._process.join()
        self.results.close()


def _serve(make: Callable[[], Callable[[Task], Result]], tasks: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent sees it too, and ends its workers
    threading.Thread(target=_end_with, args=(multiprocessing.parent_process(),), daemon=True).start()
    work: Callable[[Task], Result] | None = None
    while True:
        try:
            task = tasks.recv()
        except (EOFError, OSError):
            return
        try:
            work = work or make()
            tasks.send((None, work(task)))
        except CodecError as error:
            tasks.send((CodecError(str(error)), None))  # subclasses need not be made of one text, as pickling wants
        except Exception:
            tasks.send((RuntimeError(traceback.format_exc()), None))


def _end_with(parent: BaseProcess | None) -> None:
    """Ends this process when its parent is gone, even if that was killed and could not say so."""
    if parent is not None:
        parent.join()
        os._exit(1)
