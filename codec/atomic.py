"""Output files appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from codec.errors import CodecError


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that is renamed onto it on success and deleted on failure.

    Raises:
        CodecError: the folder is missing or not writable.
    """
    if path.is_dir():
        raise CodecError(f"{path}: is a folder")
    try:
        handle, name = tempfile.mkstemp(prefix=".codec-", suffix=path.suffix, dir=path.parent)
    except OSError as error:
        raise CodecError(f"cannot write {path}: {error.strerror}") from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    except OSError as error:
        raise CodecError(f"cannot write {path}: {error.strerror}") from error
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """Opens a binary file that appears under ``path`` only when everything was written."""
    with atomic_path(path) as temporary, temporary.open("wb") as handle:
        yield handle
