"""Processes that the kernel kills when they open a file, and folders that tell who opened what is in them. Linux only.

A filter of system calls (seccomp) needs no root and sees what C libraries do, which Python's audit hooks do not.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import platform
import signal
import struct
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

MAX_SECONDS = 2.0
"""Of processor time for one input."""
_CALLS = {
    # open, socket, connect, execve, rename, mkdir, creat, link, unlink, symlink, openat, mkdirat, unlinkat, renameat, linkat,
    # symlinkat, renameat2, execveat, io_uring_setup, openat2
    "x86_64": (2, 41, 42, 59, 82, 83, 85, 86, 87, 88, 257, 258, 263, 264, 265, 266, 316, 322, 425, 437),
    "aarch64": (34, 35, 36, 37, 38, 56, 198, 203, 221, 276, 281, 425, 437),
}
_LOAD, _EQUALS, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _KILL = 0x7FFF0000, 0x80000000
_IN_OPEN = 0x20


def is_possible() -> bool:
    """Whether this machine can do that."""
    return sys.platform == "linux" and platform.machine() in _CALLS


def lock() -> None:
    """From now on, this process dies when it opens, makes, renames or removes a file, connects, or starts a program."""
    calls = _CALLS[platform.machine()]
    steps = [(_LOAD, 0, 0, 0)]
    steps += [(_EQUALS, len(calls) - index, 0, call) for index, call in enumerate(calls)]
    steps += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _KILL)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    program = struct.pack("HxxxxxxP", len(steps), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, program, 0, 0):  # no new privileges; a filter of system calls
        raise OSError(ctypes.get_errno(), "no filter of system calls here")


def run_locked(work: Callable[[int], str], numbers: range) -> Counter[str]:
    """Does the work in a locked process, one number after the other, each within `MAX_SECONDS`.

    Returns:
        How often it ended how.

    Raises:
        AssertionError: the process died: which number it was at, and of what.
    """
    current = mmap.mmap(-1, 8)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _work(work, numbers, current, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        told = pipe.read().decode()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    at = struct.unpack("q", current[:8])[0]
    if status:
        names = {-signal.SIGSYS: "opened a file", -signal.SIGPROF: f"took more than {MAX_SECONDS:g} s"}
        cause = names.get(status, f"ended with {status}")
        raise AssertionError(f"input {at} {cause}: {told}")
    return Counter({line.partition(" ")[2]: int(line.partition(" ")[0]) for line in told.splitlines()})


def _work(work: Callable[[int], str], numbers: range, current: mmap.mmap, writing: int) -> None:
    """In the child, which never returns."""
    outcomes: Counter[str] = Counter()
    try:
        lock()
        for number in numbers:
            current[:8] = struct.pack("q", number)
            signal.setitimer(signal.ITIMER_PROF, MAX_SECONDS)
            outcomes[work(number)] += 1
        signal.setitimer(signal.ITIMER_PROF, 0)
        os.write(writing, "\n".join(f"{count} {outcome}" for outcome, count in outcomes.items()).encode())
        os._exit(0)
    except BaseException as error:  # a traceback would read source files
        os.write(writing, f"{type(error).__name__}: {error}"[:500].encode())
        os._exit(1)


class Watch:
    """Tells which files in some folders were opened, by whatever process, since it was asked last.

    Args:
        folders: to watch, not those below them.
    """

    def __init__(self, *folders: Path) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._handle = libc.inotify_init1(os.O_NONBLOCK)
        for folder in folders:
            if libc.inotify_add_watch(self._handle, os.fsencode(folder), _IN_OPEN) < 0:
                raise OSError(ctypes.get_errno(), f"cannot watch {folder}")

    def opened(self) -> set[str]:
        """Names of files; empty for the folder itself."""
        try:
            events = os.read(self._handle, 1 << 16)
        except BlockingIOError:
            return set()
        names = set()
        while events:
            size = struct.unpack_from("I", events, 12)[0]
            names.add(events[16 : 16 + size].rstrip(b"\0").decode("utf-8", "replace"))
            events = events[16 + size :]
        return names

    def close(self) -> None:
        """Watches no longer."""
        os.close(self._handle)
