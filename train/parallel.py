"""Several processes, on one machine or many: the same command under ``torchrun`` or ``accelerate launch``.

Every process draws its share of each batch; gradients are averaged before each step. Losses are means over equal shares, or
weighted by `part_of_mean`, so that N processes take the steps of one with the whole batch, but for rounding. Other stages are
`alone`: one process does the work and the others wait.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import nn

from codec.errors import CodecError
from quantizers.collective import reduce_sum, world

PATIENCE = timedelta(days=30)
"""How long processes wait for the one that works alone; a launcher ends them if it fails."""


@dataclass(frozen=True)
class Place:
    """Where this process works.

    Attributes:
        rank: number of this process.
        size: number of processes.
        device: for its networks.
    """

    rank: int
    size: int
    device: torch.device

    @property
    def main(self) -> bool:
        """Whether this process writes files and prints."""
        return self.rank == 0

    def share(self, batch_size: int) -> slice:
        """This process's part of a batch.

        Raises:
            CodecError: the batch cannot be divided evenly.
        """
        if batch_size % self.size:
            raise CodecError(f"batch_size {batch_size} cannot be divided among {self.size} processes")
        part = batch_size // self.size
        return slice(self.rank * part, (self.rank + 1) * part)


def join() -> Place:
    """Joins the process group that a launcher announced, if any, and picks the device.

    Raises:
        CodecError: accelerate is not installed.
    """
    try:
        from accelerate import PartialState
    except ImportError as error:
        raise CodecError("training needs accelerate: pip install 'semcodec[train]'") from error
    state = PartialState(cpu=not torch.cuda.is_available())
    return Place(state.process_index, state.num_processes, state.device)


def alone(work: Callable[[], None]) -> None:
    """Does work that is not shared: the main process does it as if it were the only one, the others wait."""
    place = join()
    if place.size == 1:
        work()
        return
    waiting = dist.new_group(backend="gloo", timeout=PATIENCE)  # the usual group gives up after some minutes
    assert not isinstance(waiting, int)  # as for processes that are not in a group
    if place.main:
        with _no_group():
            work()
    dist.barrier(waiting)
    dist.destroy_process_group(waiting)


def wait_for_all() -> None:
    """Returns when all processes are here: what the main one has written before is there for the others."""
    if world()[1] > 1:
        dist.barrier()


@contextmanager
def _no_group() -> Iterator[None]:
    """Hides the process group: k-means would count its points once for every process, and wait for the others' sums."""
    group, dist.group.WORLD = dist.group.WORLD, None
    try:
        yield
    finally:
        dist.group.WORLD = group


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Averages gradients over all processes, in one reduction.

    A parameter that took part nowhere keeps no gradient, so that optimisers leave it alone as they do in one process.
    """
    _, size = world()
    if size == 1:
        return
    everything = [parameter for parameter in parameters if parameter.requires_grad]
    if not everything:
        return
    took_part = torch.tensor([float(p.grad is not None) for p in everything], device=everything[0].device)
    reduce_sum(took_part)
    trained = [parameter for parameter, part in zip(everything, took_part.tolist(), strict=True) if part]
    flat = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).reshape(-1) for p in trained])
    reduce_sum(flat)
    for parameter, gradient in zip(trained, (flat / size).split([p.numel() for p in trained]), strict=True):
        parameter.grad = gradient.view_as(parameter)


def part_of_mean(count: torch.Tensor) -> torch.Tensor:
    """What a process's mean over ``count`` things is multiplied by, so that the mean of processes is that of all things."""
    total = count.detach().float().clone()
    reduce_sum(total)
    return count * world()[1] / total


def shared_mean(value: torch.Tensor) -> torch.Tensor:
    """A scalar's mean over all processes, without its gradient."""
    total = value.detach().float().clone()
    reduce_sum(total)
    return total / world()[1]


def mean_over_processes(value: torch.Tensor) -> float:
    """A scalar's mean over all processes, as a number."""
    return shared_mean(value).item()
