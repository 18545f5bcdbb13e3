"""Shards spread over processes of this machine; one that dies takes only its own shard along, which is begun again."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import traceback
from collections import deque
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from codec.errors import CodecError
from codec.tokenize.work import Report, Setup, Task, work


def execute_here(waiting: deque[Task], setup: Setup, device: str) -> Iterator[tuple[Task, Report | None]]:
    """Works the tasks off in this process."""
    while waiting:
        task = waiting.popleft()
        yield task, work(setup, task, device)


def execute(waiting: deque[Task], setup: Setup, devices: Sequence[str]) -> Iterator[tuple[Task, Report | None]]:
    """Works the tasks off, and those that are added meanwhile; yields them as they are done, in any order.

    Args:
        waiting: tasks; emptied.
        setup: of the workers.
        devices: that a process each works on.

    Yields:
        The task, and its report, or None if the process that worked on it died.

    Raises:
        CodecError: a worker met with one.
    """
    workers = [_Worker(setup, device) for device in devices[: len(waiting)]]
    try:
        while waiting or any(worker.task for worker in workers):
            for worker in workers:
                if worker.task is None and waiting:
                    worker.begin(waiting.popleft())
            for ready in wait([worker.results for worker in workers if worker.task]):
                worker = next(worker for worker in workers if worker.results is ready)
                task, report = worker.finish()
                if report is None:
                    workers[workers.index(worker)] = _Worker(setup, worker.device)
                yield task, report
    finally:
        for worker in workers:
            worker.end()


class _Worker:
    """A process, and what it is doing."""

    def __init__(self, setup: Setup, device: str) -> None:
        # Forked processes would inherit the locks of PyTorch's threads.
        context = multiprocessing.get_context("spawn")
        self.device = device
        self.task: Task | None = None
        self.results, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(setup, device, theirs), daemon=True)
        self._process.start()
        # Only the worker holds the other end now: when it dies, ours says so.
        theirs.close()

    def begin(self, task: Task) -> None:
        self.task = task
        with contextlib.suppress(OSError):  # it has died: `finish` will find out
            self.results.send(task)

    def finish(self) -> tuple[Task, Report | None]:
        assert self.task is not None
        task, self.task = self.task, None
        try:
            result = self.results.recv()
        except (EOFError, OSError):
            self.end()
            return task, None
        if isinstance(result, str):
            raise RuntimeError(result)
        if isinstance(result, CodecError):
            raise result
        return task, result

    def end(self) -> None:
        self._process.kill()
        self._process.join()
        self.results.close()


def _serve(setup: Setup, device: str, tasks: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent sees it too, and ends its workers
    threading.Thread(target=_end_with, args=(multiprocessing.parent_process(),), daemon=True).start()
    while True:
        try:
            task = tasks.recv()
        except (EOFError, OSError):
            return
        try:
            tasks.send(work(setup, task, device))
        except CodecError as error:
            tasks.send(CodecError(str(error)))
        except Exception:
            tasks.send(traceback.format_exc())


def _end_with(parent: BaseProcess | None) -> None:
    """Ends this process when its parent is gone, even if that was killed and could not say so."""
    if parent is not None:
        parent.join()
        os._exit(1)
