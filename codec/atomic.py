"""Output files appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from codec.errors import CodecError

# It can only be read by setting it, for the whole process: not where several threads may do so at once.
_UMASK = os.umask(0)
os.umask(_UMASK)
_POSIX = os.name == "posix"
"""Elsewhere signal 0, which asks whether a process is there, would interrupt it."""


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that is renamed onto it on success and deleted on failure.

    Raises:
        CodecError: the folder is missing or not writable.
    """
    if path.is_dir():
        raise CodecError(f"{path}: is a folder")
    if path.exists() and not path.is_file():
        raise CodecError(f"{path}: is a device or pipe, not a file")
    try:
        handle, name = tempfile.mkstemp(prefix=f".codec-{_here()}-{os.getpid()}-", suffix=path.suffix, dir=path.parent)
    except OSError as error:
        raise CodecError(f"cannot write {path}: {error.strerror}") from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_UMASK)
        temporary.replace(path)
    except OSError as error:
        raise CodecError(f"cannot write {path}: {error.strerror}") from error
    except Exception as error:
        if type(error).__name__ != "SafetensorError":  # what safetensors makes of a full disk; imported only where it is used
            raise
        raise CodecError(f"cannot write {path}: {error}") from error
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """Opens a binary file that appears under ``path`` only when everything was written."""
    with atomic_path(path) as temporary, temporary.open("wb") as handle:
        yield handle


def remove_leftovers(folder: Path) -> None:
    """Deletes temporary files in ``folder`` whose process was killed before it could; those of other machines stay."""
    pattern = re.compile(rf"\.codec-{_here()}-(\d+)-")
    for path in folder.glob(".codec-*"):
        found = pattern.match(path.name)
        if found and not _is_running(int(found[1])):
            path.unlink(missing_ok=True)


def _here() -> str:
    return f"{zlib.crc32(platform.node().encode()):08x}"


def _is_running(process: int) -> bool:
    if not _POSIX:  # leftovers stay
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True  # someone else's
    return True
