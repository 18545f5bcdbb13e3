"""WebDataset shards: uncompressed tar files whose members share a name up to its first dot."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from codec.audio.folders import paths_below
from codec.audio.io import AUDIO_SUFFIXES
from codec.data.recordings.places import TarPlace
from codec.data.recordings.rows import Row
from codec.data.tar_samples import TarDamageError, TarSample, tar_samples
from codec.errors import CodecError, one_line

MAX_TEXT_BYTES = 1 << 16


def webdataset_rows(source: Path) -> Iterator[Row]:
    """Rows of one tar file, or of all below a folder, by name.

    The first audio member of a sample counts. Fields of its ``.json`` become metadata, other text of up to 64 KB does so under
    its suffix; everything else is left out.
    """
    root = source if source.is_dir() else source.parent
    for path in paths_below(source, frozenset({".tar"})) if source.is_dir() else [source]:
        yield from _shard_rows(path, path.relative_to(root).as_posix())


def _shard_rows(path: Path, name: str) -> Iterator[Row]:
    try:
        for sample in tar_samples(path, _is_text, compressed=False):
            yield _row(name, sample)  # cut short, perhaps: whoever reads it finds out
    except TarDamageError as error:
        # What came before the damage has been found, and is used.
        yield Row(name, name, problem=one_line(f"not a whole, uncompressed tar file ({error.reason})"))


def _is_audio(member: str) -> bool:
    return Path(member).suffix.lower() in AUDIO_SUFFIXES


def _is_text(member: str, size: int) -> bool:
    return size <= MAX_TEXT_BYTES and not _is_audio(member)


def _row(shard: str, sample: TarSample) -> Row:
    members = list(sample.members.values())
    source = f"{shard}:{members[0].name}"
    place, metadata = None, {"shard": shard}
    for member in members:
        if _is_audio(member.name):
            place = place or TarPlace(shard, member.name, member.start, member.size)
            continue
        try:
            metadata |= _text(member.name, member.content)
        except CodecError as error:
            return Row(sample.key, source, problem=str(error))
    if place is None:
        return Row(sample.key, source, problem="no audio in this sample")
    return Row(sample.key, source, place, metadata)


def _text(name: str, content: bytes | None) -> dict[str, Any]:
    if content is None:
        return {}
    extension = name.rpartition("/")[2].partition(".")[2]
    try:
        text = content.decode("utf-8-sig")
        fields = json.loads(text, parse_constant=lambda name: None) if extension == "json" else {extension: text}
    except UnicodeDecodeError:
        return {}
    except (ValueError, RecursionError) as error:
        raise CodecError(f"{name}: not JSON ({error})") from error
    return fields if isinstance(fields, dict) else {extension: fields}
