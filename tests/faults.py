"""Killing, full disks and read-only ones, for tests of what is left afterwards."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil
import pytest


def codec(*words: object) -> list[str]:
    """A command line."""
    return [sys.executable, "-m", "codec", *map(str, words)]


def allow_many_files() -> None:
    """As many open files as this user may have: a thousand connections are more than the usual 1024 leave room for."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def kill_when(command: Sequence[str], ready: Callable[[], bool]) -> None:
    """Starts a command and kills it outright as soon as ``ready``; its children must end by themselves then."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True) as process:
        while not ready():
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.005)
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        assert not psutil.wait_procs(children, timeout=120)[1]


def in_small_folder(
    command: Sequence[str], folder: Path, size: str = "64k", read_only: bool = False
) -> subprocess.CompletedProcess[str]:
    """Runs a command while ``folder`` is a file system of a given size; lists what it leaves there, as last line."""
    script = f'mount -t tmpfs -o size={size} none "$1" && '
    script += 'mount -o remount,ro "$1" && ' if read_only else ""
    script += 'folder=$1; shift; "$@"; code=$?; echo; ls -AR "$folder" | tr "\\n" " "; exit $code'
    words = [*_namespace(), "bash", "-c", script, "bash", str(folder), *command]
    return subprocess.run(words, capture_output=True, text=True, env=os.environ | {"COLUMNS": "300"})


def _namespace() -> list[str]:
    words = ["unshare", "--user", "--map-root-user", "--mount"]
    if shutil.which("unshare") is None:
        pytest.skip("no unshare here")
    probe = subprocess.run([*words, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True)
    if probe.returncode:
        pytest.skip("file systems cannot be mounted here, not even in a namespace")
    return words
