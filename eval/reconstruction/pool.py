"""Jobs spread over processes; one that takes its process down is found and named."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from functools import partial

from codec.processes import in_processes
from eval.reconstruction.results import Row
from eval.reconstruction.worker import Job, Setup, Worker, worker_process


def execute(jobs: Sequence[Job], setup: Setup, workers: int) -> Iterator[tuple[Job, Row]]:
    """Yields every job with its row, as they get done.

    A codec or metric in C may end its whole process (a fault, or no memory left). Such a job is run again when all others
    are done, alone; only if it does it again is it given up.

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
    make = partial(worker_process, setup)
    suspects = deque[Job]()
    for job, row in in_processes(deque(jobs), [make] * workers):
        if row is None:
            suspects.append(job)
        else:
            yield job, row
    for job, row in in_processes(suspects, [make]):
        yield job, row or job.failed("the process that ran it died (a fault in native code, or too little memory)")
