"""What a call costs: wall time and peak memory."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Cost(Generic[T]):
    """The cost of one call.

    Attributes:
        value: that it returned.
        seconds: of wall time.
        memory: bytes by which this process grew at its peak; None where the system does not tell, or where other programs
            did the work, whose memory is not seen.
    """

    value: T
    seconds: float
    memory: int | None


def measure(function: Callable[[], T]) -> Cost[T]:
    """Calls a function.

    Linux keeps the highest resident size of a process and lets it be reset (``proc(5)``: 5 into ``clear_refs``), so that no
    sampling thread is needed, which would miss short peaks and take time away from what is measured.
    """
    before = resident("VmRSS") if _reset_peak() else None
    programs = program_faults()
    start = time.perf_counter()
    value = function()
    seconds = time.perf_counter() - start
    peak = resident("VmHWM")
    if before is None or peak is None or program_faults() != programs:
        return Cost(value, seconds, None)
    return Cost(value, seconds, max(0, peak - before))


def release_memory() -> None:
    """Gives memory of dead objects back to the system, so that whoever is measured next does not get it for nothing."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError, TypeError):  # not GNU's C library
        ctypes.CDLL(None).malloc_trim(0)


def program_faults() -> int:
    """Page faults of programs that this process started and that have ended: any program has some."""
    try:
        import resource
    except ImportError:  # not a Unix
        return 0
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_minflt


def _reset_peak() -> bool:
    try:
        _CLEAR.write_text("5", "utf-8")
    except OSError:
        return False
    return True


def resident(field: str) -> int | None:
    """Bytes of this process as Linux tells them: ``VmRSS`` now, ``VmHWM`` at the peak; None elsewhere."""
    try:
        lines = _STATUS.read_text("utf-8").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:")), None)
