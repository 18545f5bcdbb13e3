"""Jobs spread over processes; one that takes its process down is found and named."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool

from eval.reconstruction.results import Row
from eval.reconstruction.worker import Job, Setup, Worker, start, work


def execute(jobs: Sequence[Job], setup: Setup, workers: int) -> Iterator[tuple[Job, Row]]:
    """Yields every job with its row, as they get done.

    A codec or metric in C may end its whole process (a fault, or no memory left). What ran at that moment is run again, one
    job at a time; only the job that does it again is given up.

    Args:
        jobs: in the order in which they are begun; those of one codec should be together.
        setup: of the workers.
        workers: processes; 0: in this process, for debugging.
    """
    if workers == 0:
        worker = Worker(setup)
        for job in jobs:
            yield job, worker.run(job)
        return
    waiting, suspects = deque(jobs), deque[Job]()
    while waiting:
        yield from _in_processes(waiting, suspects, setup, workers)
        while suspects:
            dead = deque[Job]()
            yield from _in_processes(suspects, dead, setup, 1)
            for job in dead:
                yield job, job.failed("the process that ran it died (a fault in native code, or too little memory)")


def _in_processes(jobs: deque[Job], lost: deque[Job], setup: Setup, workers: int) -> Iterator[tuple[Job, Row]]:
    """Works jobs off until there are none, or a process dies: what ran then is added to ``lost``."""
    # Forked processes would inherit the locks of PyTorch's threads.
    context = multiprocessing.get_context("spawn")
    running: dict[Future[Row], Job] = {}
    with ProcessPoolExecutor(workers, context, start, (setup,)) as pool:
        try:
            while jobs or running:
                while jobs and len(running) < workers:
                    running[pool.submit(work, jobs[0])] = jobs[0]
                    jobs.popleft()
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    row = future.result()
                    yield running.pop(future), row
        except BrokenProcessPool:
            lost.extend(running.values())
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
