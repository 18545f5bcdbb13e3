"""What something was made from, by code and by content, so that what is kept is made anew when that has changed."""

from __future__ import annotations

import functools
import hashlib
import subprocess
from pathlib import Path

from codec.errors import CodecError

_BLOCK = 1 << 20
ROOT = Path(__file__).parents[1]
"""Below which all packages lie."""


def code_version(*packages: str, root: Path | None = None) -> str:
    """A name for the source of packages, with everything below them.

    Args:
        packages: folders such as ``"codec"`` or ``"eval/semantics"``.
        root: where they lie; default: here.

    Raises:
        CodecError: a package has no source here, so nothing would tell when it changes.

    Example:
        >>> code_version("codec") == code_version("codec"), code_version("codec") == code_version("quantizers")
        (True, False)
    """
    digest = hashlib.sha256()
    for package in packages:
        folder = (root or ROOT) / package
        files = sorted(folder.rglob("*.py"))
        if not files:
            raise CodecError(f"{folder}: no source code that tells when results become stale")
        for path in files:
            digest.update(f"{package}/{path.relative_to(folder).as_posix()}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def revision() -> str | None:
    """Git's name of this code, ``+changes`` if files differ from it; None outside a checkout."""
    try:
        head, changes = (
            subprocess.run(
                ["git", *words], cwd=Path(__file__).parent, capture_output=True, text=True, encoding="utf-8", check=True
            ).stdout.strip()
            for words in (["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return head + ("+changes" if changes else "")


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal digits."""
    stat = path.stat()
    return _sha256(path, stat.st_size, stat.st_mtime_ns)


@functools.cache
def _sha256(path: Path, size: int, modified: int) -> str:
    """Computed once, unless size or date of the file change."""
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while block := handle.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
