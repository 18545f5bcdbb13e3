"""Where bodies and answers lie while they are worked on: a private folder that goes with its server, however that ends."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # there leftovers of killed servers stay
    fcntl = None  # type: ignore[assignment]

PREFIX = "codec-serve-"


class Workspace:
    """A folder that only this user can enter, below the system's folder for temporary files.

    The server holds a lock on the folder, which the system takes away with the process. A folder that nobody locks is what a
    killed server left behind, and the next one to start removes it.

    Raises:
        OSError: no room, or no place that can be written to.
    """

    def __init__(self) -> None:
        remove_leftovers()
        # Locked before it has a name that other servers look for.
        new = tempfile.mkdtemp(prefix=f".{PREFIX}")
        self._lock = _lock(new)
        self.path = Path(new).with_name(Path(new).name[1:])
        os.replace(new, self.path)
        self._remove = weakref.finalize(self, _remove, self.path, self._lock)  # at the latest when the process exits

    @contextlib.contextmanager
    def folder(self) -> Iterator[Path]:
        """A new folder for one request, until what is done in it is done or has failed."""
        path = Path(tempfile.mkdtemp(dir=self.path))
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def close(self) -> None:
        """Removes the folder and everything in it."""
        self._remove()


def remove_leftovers() -> None:
    """Removes what killed servers of this user left behind; never follows a link, nor touches what a server still locks."""
    if fcntl is None:
        return
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):  # another one's, or gone already
            if not path.is_symlink() and path.stat().st_uid == os.getuid() and (lock := _lock(str(path))) is not None:
                _remove(path, lock)


def _lock(path: str) -> int | None:
    """A descriptor that holds the folder's lock, or None where there are no such locks.

    Raises:
        OSError: another process holds it, or the path is not a folder.
    """
    if fcntl is None:
        return None
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _remove(path: Path, lock: int | None) -> None:
    shutil.rmtree(path, ignore_errors=True)
    if lock is not None:
        os.close(lock)
