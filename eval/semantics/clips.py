"""Labelled clips out of WebDataset tar files, as X-ARES keeps them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from codec.audio.io import AudioReader
from codec.data.tar_samples import MAX_MEMBER_BYTES, TarSample, tar_samples
from codec.errors import CodecError

AUDIO_SUFFIXES = ("flac", "mp3", "sox", "wav", "m4a", "ogg", "wma")
MIN_SAMPLES = 1


@dataclass(frozen=True)
class LabelledClip:
    """A clip and what its JSON file says.

    Attributes:
        key: of audio and JSON file in the tar.
        where: tar file and member, for messages.
        wave: ``(samples,)`` float32, channels averaged.
        sample_rate: in Hz.
        fields: the JSON file's content: an object, or a list of events.
    """

    key: str
    where: str
    wave: np.ndarray
    sample_rate: int
    fields: dict[str, object] | list[dict[str, object]]


def read_clips(tars: Sequence[Path]) -> Iterator[LabelledClip]:
    """Clips in the order of the files; members that share everything before the first dot belong together.

    Raises:
        CodecError: a tar or a clip cannot be read, a clip has no label, or a key comes twice.
    """
    seen: set[str] = set()
    for tar in tars:
        for sample in tar_samples(tar, lambda name, size: size <= MAX_MEMBER_BYTES):
            if sample.cut:
                continue  # what follows is the error that says so
            if sample.key in seen:
                raise CodecError(f"{tar}: the key {sample.key} comes twice")
            seen.add(sample.key)
            yield _clip(tar, sample)


def _clip(tar: Path, sample: TarSample) -> LabelledClip:
    key, parts = sample.key, dict[str, bytes]()
    for suffix, member in sample.members.items():
        if member.content is None:
            raise CodecError(f"{tar}: {member.name} is larger than {MAX_MEMBER_BYTES >> 30} GiB")
        parts[suffix] = member.content
    audio = next((s for s in parts if s in AUDIO_SUFFIXES), None)
    if audio is None or "json" not in parts:
        missing = "audio" if audio is None else "label (.json)"
        raise CodecError(f"{tar}: {key} has no {missing} file")
    where = f"{tar}: {key}.{audio}"
    wave, sample_rate = _decode(parts[audio], where)
    try:
        fields = json.loads(parts["json"])
    except (ValueError, RecursionError) as error:
        raise CodecError(f"{tar}: {key}.json is not JSON ({error})") from error
    if not isinstance(fields, dict | list):
        raise CodecError(f"{tar}: {key}.json holds neither an object nor a list")
    return LabelledClip(key, where, wave, sample_rate, fields)


def _decode(data: bytes, where: str) -> tuple[np.ndarray, int]:
    with AudioReader(io.BytesIO(data), strict=True, name=where) as reader:
        wave = np.concatenate([np.zeros(0, np.float32), *(block.mean(1) for block in reader.blocks())])
    if len(wave) < MIN_SAMPLES:
        raise CodecError(f"{where}: no audio in it")
    return wave, reader.info.sample_rate
