"""WebDataset shards as a corpus: tar files in which the members of a sample share a name up to the first dot."""

from __future__ import annotations

import json
import lzma
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from codec.audio.io import AUDIO_SUFFIXES
from codec.data.clip import Clip, LeftOut
from codec.data.domains import DOMAINS, Domain
from codec.errors import CodecError

MAX_MEMBER_BYTES = 1 << 30
_DAMAGE = (tarfile.TarError, EOFError, OSError, ValueError, zlib.error, lzma.LZMAError)
Sample = tuple[str, dict[str, bytes]]
"""A key, and the content of its members by suffix."""


def shard_clips(root: Path, scratch: Path, domain: Domain = "sound") -> Iterator[Clip | LeftOut]:
    """Unpacks the audio of every ``*.tar`` below ``root`` into ``scratch`` and yields a clip for each sample.

    ``.json`` members become labels (``domain`` and ``source`` among them are honoured), ``.txt`` members the text. Of a
    damaged shard, the samples before the damage are kept.

    Args:
        root: folder with shards, or one shard.
        scratch: folder for the unpacked audio; its owner deletes it.
        domain: of samples that do not say.

    Raises:
        CodecError: no shards.
    """
    shards = [root] if root.is_file() else sorted(root.rglob("*.tar"))
    if not shards:
        raise CodecError(f"{root}: no .tar shards below this folder")
    scratch.mkdir(parents=True, exist_ok=True)
    for shard in shards:
        for sample in _samples(shard):
            yield from [sample] if isinstance(sample, LeftOut) else _clip(shard, *sample, scratch, domain)


def _samples(shard: Path) -> Iterator[Sample | LeftOut]:
    """Samples of a shard, and what of it cannot be read."""
    try:
        with tarfile.open(shard) as tar:
            yield from _grouped(tar, shard)
            _check_end(tar)
    except _DAMAGE as error:
        reason = str(error).split("\n")[0].rstrip(":")
        yield LeftOut(str(shard), f"damaged shard: {reason}")


def _grouped(tar: tarfile.TarFile, shard: Path) -> Iterator[Sample | LeftOut]:
    key = ""
    members: dict[str, bytes] = {}
    for member in tar:
        # Names come from strangers: only their last part is used, and only as a suffix.
        name = PurePosixPath(member.name)
        stem, _, suffix = name.name.partition(".")
        if not member.isfile():
            continue
        if member.size > MAX_MEMBER_BYTES:
            yield LeftOut(f"{shard}/{name}", "too large")
            continue
        current = str(name.parent / stem)
        if current != key and members:
            yield key, members
            members = {}
        key = current
        handle = tar.extractfile(member)
        assert handle is not None
        members[f".{suffix.lower()}"] = handle.read()
    if members:
        yield key, members


def _check_end(tar: tarfile.TarFile) -> None:
    """Finds what `tarfile` takes for the end of a shard but is not: a member whose header is damaged.

    Raises:
        tarfile.ReadError: there is something else than zeros.
    """
    assert tar.fileobj is not None
    tar.fileobj.seek(tar.offset)
    if tar.fileobj.read(tarfile.BLOCKSIZE).strip(b"\0"):
        raise tarfile.ReadError("a member's header is damaged")


def _clip(shard: Path, key: str, members: dict[str, bytes], scratch: Path, domain: Domain) -> Iterator[Clip | LeftOut]:
    suffix = next((s for s in members if s in AUDIO_SUFFIXES), None)
    if suffix is None:
        return
    path = f"{shard}/{key}{suffix}"
    labels = _labels(members.get(".json", b"{}"))
    if labels is None:  # the source may be among them, so that its split is not known
        yield LeftOut(path, "labels are not a JSON object")
        return
    if ".txt" in members:
        labels["text"] = members[".txt"].decode("utf-8-sig", "replace").strip()
    with tempfile.NamedTemporaryFile(dir=scratch, suffix=suffix, delete=False) as handle:
        handle.write(members[suffix])
    named: Any = labels.pop("domain", domain)
    source = labels.pop("source", f"{shard.name}/{key}")
    if named not in DOMAINS:
        named = domain
    yield Clip(path, source, named, shard.stem, labels, unpacked=handle.name)


def _labels(content: bytes) -> dict[str, str] | None:
    """Texts and numbers of a JSON object, or None if it is none."""
    try:
        values = json.loads(content)
    except (ValueError, RecursionError):
        return None
    if not isinstance(values, dict):
        return None
    return {key: str(value) for key, value in values.items() if isinstance(value, (str, int, float))}
