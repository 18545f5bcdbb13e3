"""WebDataset shards as a corpus: tar files in which the members of a sample share a name up to the first dot."""

from __future__ import annotations

import json
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from codec.audio import AUDIO_SUFFIXES
from codec.errors import CodecError
from corpora.clip import Clip, Domain

MAX_MEMBER_BYTES = 1 << 30


def shard_clips(root: Path, scratch: Path, domain: Domain = "sound") -> Iterator[Clip]:
    """Unpacks the audio of every ``*.tar`` below ``root`` into ``scratch`` and yields a clip for each sample.

    ``.json`` members become labels (``domain`` and ``source`` among them are honoured), ``.txt`` members the text.

    Args:
        root: folder with shards, or one shard.
        scratch: folder for the unpacked audio; its owner deletes it.
        domain: of samples that do not say.

    Raises:
        CodecError: no shards, or a damaged one.
    """
    shards = [root] if root.is_file() else sorted(root.rglob("*.tar"))
    if not shards:
        raise CodecError(f"{root}: no .tar shards below this folder")
    scratch.mkdir(parents=True, exist_ok=True)
    for shard in shards:
        try:
            with tarfile.open(shard) as tar:
                yield from _samples(tar, shard, scratch, domain)
        except tarfile.TarError as error:
            raise CodecError(f"{shard}: damaged shard ({error})") from error


def _samples(tar: tarfile.TarFile, shard: Path, scratch: Path, domain: Domain) -> Iterator[Clip]:
    key = ""
    members: dict[str, bytes] = {}
    for member in tar:
        # Names come from strangers: only their last part is used, and only as a suffix.
        name = PurePosixPath(member.name)
        stem, _, suffix = name.name.partition(".")
        if not member.isfile() or member.size > MAX_MEMBER_BYTES:
            continue
        current = str(name.parent / stem)
        if current != key and members:
            yield from _clip(shard, key, members, scratch, domain)
            members = {}
        key = current
        handle = tar.extractfile(member)
        assert handle is not None
        members[f".{suffix.lower()}"] = handle.read()
    if members:
        yield from _clip(shard, key, members, scratch, domain)


def _clip(shard: Path, key: str, members: dict[str, bytes], scratch: Path, domain: Domain) -> Iterator[Clip]:
    suffix = next((s for s in members if s in AUDIO_SUFFIXES), None)
    if suffix is None:
        return
    labels: dict[str, str] = {}
    if ".json" in members:
        labels = {str(k): str(v) for k, v in json.loads(members[".json"]).items() if isinstance(v, (str, int, float))}
    if ".txt" in members:
        labels["text"] = members[".txt"].decode("utf-8", "replace").strip()
    with tempfile.NamedTemporaryFile(dir=scratch, suffix=suffix, delete=False) as handle:
        handle.write(members[suffix])
    named = labels.pop("domain", domain)
    source = labels.pop("source", f"{shard.name}/{key}")
    yield Clip(handle.name, source, named if named in ("speech", "music", "sound") else domain, shard.stem, labels)  # type: ignore[arg-type]
