"""WebDataset shards: tar files in which neighbours that share a name up to its first dot are one sample."""

from __future__ import annotations

import io
import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codec.errors import CodecError

MAX_MEMBER_BYTES = 1 << 30
_DAMAGE = (tarfile.TarError, EOFError, OSError, ValueError, OverflowError, MemoryError, zlib.error, lzma.LZMAError)
"""What reading raises; numbers in hostile headers, which the library believes, cause the errors of numbers and memory."""


class TarDamageError(CodecError):
    """A tar file that cannot be read, or not to its end.

    Args:
        path: of the file.
        reason: what the library says of it.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: not a readable tar file ({reason})")
        self.reason = reason


@dataclass(frozen=True)
class Member:
    """A file of a sample.

    Attributes:
        name: in the tar file.
        start: where its bytes begin, if the tar file is not compressed.
        size: in bytes.
        content: its bytes; None if they are not wanted, or not all there.
    """

    name: str
    start: int
    size: int
    content: bytes | None


@dataclass(frozen=True)
class TarSample:
    """Files that belong together.

    Attributes:
        key: what their names share.
        members: by the rest of the name, in lower case and without the first dot, in the order of the tar file.
        cut: the tar file is damaged within this sample, or right behind it, where more of it may have been.
    """

    key: str
    members: dict[str, Member]
    cut: bool


def tar_samples(path: Path, wanted: Callable[[str, int], bool], compressed: bool = True) -> Iterator[TarSample]:
    """Samples of a tar file in their order, those before a damage, too.

    The WebDataset library says which members belong together; its own reader of tar files is not used, since it loads
    every member whatever its size, and neither tells where one lies nor that a damaged header ended the file early.

    Args:
        path: of the tar file.
        wanted: whether the content of a member of that name and size is read.
        compressed: read tar files that are compressed, too.

    Raises:
        CodecError: the WebDataset library is not installed.
        TarDamageError: after the last sample, if the file is not whole, or one name comes twice in a sample.
    """
    try:
        from webdataset.tariterators import group_by_keys
    except ImportError as error:
        raise CodecError(f"tar shards need {error.name}: pip install 'semcodec[tokenize]'") from error
    damage: Exception | None = None

    def members(archive: tarfile.TarFile) -> Iterator[dict[str, Any]]:
        nonlocal damage
        try:
            for info in archive:
                if not info.isfile():
                    continue
                content, broken = None, None
                if wanted(info.name, info.size):
                    try:
                        content = archive.extractfile(info).read()  # type: ignore[union-attr]  # a file, not a folder
                    except _DAMAGE as error:
                        broken = error
                yield {"fname": info.name, "data": Member(info.name, info.offset_data, info.size, content), "__url__": ""}
                if broken:
                    raise broken
        except _DAMAGE as error:
            damage = error

    try:
        with tarfile.open(path, "r:*" if compressed else "r:") as archive:
            for sample in group_by_keys(members(archive)):
                found = {suffix: member for suffix, member in sample.items() if isinstance(member, Member)}
                yield TarSample(sample["__key__"], found, cut=damage is not None)
            if damage is None:
                _check_end(archive)
    except _DAMAGE as error:
        damage = error
    if damage:
        raise TarDamageError(path, str(damage.args[0] if damage.args else damage).split("\n")[0].rstrip(":"))


def _check_end(archive: tarfile.TarFile) -> None:
    """Finds what `tarfile` takes for the end of a file but is not: a member whose header is damaged.

    Raises:
        tarfile.ReadError: there is something else than zeros.
    """
    assert archive.fileobj is not None
    archive.fileobj.seek(archive.offset)
    if archive.fileobj.read(tarfile.BLOCKSIZE).strip(b"\0"):
        raise tarfile.ReadError("a member's header is damaged")


def add_member(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    """Adds a file without date or owner, so that the same content always makes the same tar file."""
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))
