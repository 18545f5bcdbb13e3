"""WebDataset shards as a corpus: tar files in which the members of a sample share a name up to the first dot."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from codec.audio.folders import paths_below
from codec.audio.io import AUDIO_SUFFIXES
from codec.data.domains import DOMAINS, Domain
from codec.data.recording import LeftOut, Recording
from codec.data.tar_samples import MAX_MEMBER_BYTES, TarDamageError, tar_samples
from codec.errors import CodecError


def shard_clips(root: Path, scratch: Path) -> Iterator[Recording | LeftOut]:
    """Unpacks the audio of every ``*.tar`` below ``root`` into ``scratch`` and yields a clip for each sample.

    ``.json`` members become labels, ``domain`` and ``source`` among them are honoured (who does not say the domain has made
    ``sound``), ``.txt`` members the text. Of a damaged shard, the samples before the damage are kept.

    Args:
        root: folder with shards, or one shard.
        scratch: folder for the unpacked audio; its owner deletes it.

    Raises:
        CodecError: no shards.
    """
    shards = [root] if root.is_file() else paths_below(root, frozenset({".tar"}))
    if not shards:
        raise CodecError(f"{root}: no .tar shards below this folder")
    scratch.mkdir(parents=True, exist_ok=True)
    for shard in shards:
        yield from _shard_clips(shard, scratch)


def _shard_clips(shard: Path, scratch: Path) -> Iterator[Recording | LeftOut]:
    try:
        for sample in tar_samples(shard, lambda name, size: size <= MAX_MEMBER_BYTES):
            if sample.cut:
                continue  # its labels, which may tell the source and so the split, may be what is missing
            for member in sample.members.values():
                if member.content is None:
                    # Names come from strangers: they are only ever shown.
                    yield LeftOut(f"{shard}/{member.name}", "too large")
            members = {f".{suffix}": member.content for suffix, member in sample.members.items() if member.content is not None}
            yield from _clip(shard, sample.key, members, scratch)
    except TarDamageError as error:
        yield LeftOut(str(shard), f"damaged shard: {error.reason}")


def _clip(shard: Path, key: str, members: dict[str, bytes], scratch: Path) -> Iterator[Recording | LeftOut]:
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
    named: Any = labels.pop("domain", "")
    domain: Domain = named if named in DOMAINS else "sound"
    source = labels.pop("source", f"{shard.name}/{key}")
    yield Recording(path, source, domain, shard.stem, labels, unpacked=handle.name)


def _labels(content: bytes) -> dict[str, str] | None:
    """Texts and numbers of a JSON object, or None if it is none."""
    try:
        values = json.loads(content)
    except (ValueError, RecursionError):
        return None
    if not isinstance(values, dict):
        return None
    return {key: str(value) for key, value in values.items() if isinstance(value, (str, int, float))}
