"""The version of code: a result that was kept is made anew when what makes it has changed."""

from __future__ import annotations

import hashlib
from pathlib import Path

from codec.errors import CodecError

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
