"""Shards spread over a Ray cluster. Output and corpus must lie where every node finds them under the same path."""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

from codec.errors import CodecError
from codec.tokenize.work import Report, Setup, Task, work

if TYPE_CHECKING:
    import ray

LOCAL = "local"


def execute_on_ray(
    waiting: deque[Task], setup: Setup, device: str, workers: int | None, address: str
) -> Iterator[tuple[Task, Report | None]]:
    """Like `codec.processes.in_processes`, by Ray tasks.

    Args:
        waiting: tasks; emptied.
        setup: of the workers.
        device: that a worker works on; a GPU each with ``cuda``.
        workers: shards at the same time; None: as many as the cluster has processors, or GPUs with ``cuda``.
        address: of a running cluster, or ``local`` for one that lives as long as this run.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise CodecError(f"--ray needs {error.name}: pip install 'semcodec[ray]'") from error
    _connect(address, workers)
    gpus = 1 if device.startswith("cuda") else 0
    workers = workers or max(1, int(ray.cluster_resources().get("GPU" if gpus else "CPU", 1)))
    # Ray would retry by itself, but could not tell us which row a worker died of.
    remote = ray.remote(num_cpus=1, num_gpus=gpus, max_retries=0)(work)
    running: dict[ray.ObjectRef[Report], Task] = {}
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                task = waiting.popleft()
                running[remote.remote(setup, task, device)] = task
            done, _ = ray.wait(list(running))
            for reference in done:
                yield running.pop(reference), _result(reference)
    finally:
        ray.shutdown()


def _connect(address: str, workers: int | None) -> None:
    import ray

    try:
        if address == LOCAL:
            ray.init(
                "local",
                num_cpus=workers,
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
                object_store_memory=200_000_000,  # tasks and reports only: audio and tokens never pass through it
            )
        else:
            ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, OSError, RuntimeError, ValueError) as error:
        raise CodecError(f"no Ray cluster at {address} ({error})") from error


def _result(reference: ray.ObjectRef[Report]) -> Report | None:
    import ray

    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, CodecError):
            raise CodecError(str(error.cause)) from error
        raise
    except ray.exceptions.RayError:
        return None  # its worker or node died
