"""Tasks spread over processes of this machine; one that dies takes only its own task along."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Generic, TypeVar

from codec.errors import CodecError

Task = TypeVar("Task")
Result = TypeVar("Result")


def in_processes(
    waiting: deque[Task], makers: Sequence[Callable[[], Callable[[Task], Result]]]
) -> Iterator[tuple[Task, Result | None]]:
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
