"""WebDataset shards: uncompressed tar files whose members share a name up to its first dot."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from codec.audio.io import AUDIO_SUFFIXES
from codec.data.recordings.places import TarPlace
from codec.data.recordings.rows import Row, one_line
from codec.errors import CodecError

MAX_TEXT_BYTES = 1 << 16


def webdataset_rows(source: Path) -> Iterator[Row]:
    """Rows of one tar file, or of all below a folder, by name.

    The first audio member of a sample counts. Fields of its ``.json`` become metadata, other text of up to 64 KB does so under
    its suffix; everything else is left out.
    """
    root = source if source.is_dir() else source.parent
    for path in sorted(source.rglob("*.tar")) if source.is_dir() else [source]:
        yield from _shard_rows(path, path.relative_to(root).as_posix())


def _shard_rows(path: Path, name: str) -> Iterator[Row]:
    try:
        with path.open("rb") as handle, tarfile.open(fileobj=handle, mode="r:") as archive:
            for sample in _samples(archive):
                yield _row(name, sample, archive)
    except (tarfile.TarError, EOFError, OSError, ValueError, OverflowError, MemoryError) as error:
        # The last three: numbers in hostile headers, which the library believes.
        # What came before the damage has been found, and is used.
        yield Row(name, name, problem=one_line(f"not a whole, uncompressed tar file ({error})"))


def _samples(archive: tarfile.TarFile) -> Iterator[list[tarfile.TarInfo]]:
    sample: list[tarfile.TarInfo] = []
    damage: Exception | None = None
    try:
        for member in archive:
            if not member.isfile():
                continue
            if sample and _key(sample[0].name) != _key(member.name):
                yield sample
                sample = []
            sample.append(member)
    except (tarfile.TarError, ValueError, OverflowError, MemoryError) as error:
        damage = error
    if sample:
        yield sample  # cut short, perhaps: whoever reads it finds out
    if damage:
        raise damage


def _key(member: str) -> str:
    folder, slash, name = member.rpartition("/")
    return f"{folder}{slash}{name.split('.')[0]}"


def _row(shard: str, sample: list[tarfile.TarInfo], archive: tarfile.TarFile) -> Row:
    key, source = _key(sample[0].name), f"{shard}:{sample[0].name}"
    place, metadata = None, {"shard": shard}
    for member in sample:
        if Path(member.name).suffix.lower() in AUDIO_SUFFIXES:
            place = place or TarPlace(shard, member.name, member.offset_data, member.size)
            continue
        try:
            metadata |= _text(member, archive)
        except CodecError as error:
            return Row(key, source, problem=str(error))
    if place is None:
        return Row(key, source, problem="no audio in this sample")
    return Row(key, source, place, metadata)


def _text(member: tarfile.TarInfo, archive: tarfile.TarFile) -> dict[str, Any]:
    extension = member.name.rpartition("/")[2].partition(".")[2]
    handle = archive.extractfile(member) if member.size <= MAX_TEXT_BYTES else None
    if handle is None:
        return {}
    data = handle.read()
    try:
        text = data.decode("utf-8-sig")
        fields = json.loads(text, parse_constant=lambda name: None) if extension == "json" else {extension: text}
    except UnicodeDecodeError:
        return {}
    except (ValueError, RecursionError) as error:
        raise CodecError(f"{member.name}: not JSON ({error})") from error
    return fields if isinstance(fields, dict) else {extension: fields}
