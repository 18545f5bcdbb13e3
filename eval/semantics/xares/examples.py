"""Makes vectors with targets from labelled clips, the way X-ARES does it and the way it should be done."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from codec.errors import CodecError
from eval.semantics.checked import embed_checked
from eval.semantics.clips import LabelledClip, read_clips
from eval.semantics.interface import Embedder
from eval.semantics.scores import Mode
from eval.semantics.xares.tasks import TaskDefinition

XARES_RATE = 16_000
"""In Hz; what the encoders that we hand to X-ARES ask for."""
MIN_TAIL_SECONDS = 1.0
"""Shorter rests of a clip that was cut into crops say little."""


@dataclass(frozen=True)
class Example:
    """A clip, or a crop of one, after the embedder.

    Attributes:
        clip: key of the clip that it is from.
        where: tar file and member, for messages.
        labels: its classes or captions.
        events: in a frame task, with onset, offset and label, instead of ``labels``.
        vectors: ``(D,)`` mean over frames, or ``(T, D)`` in a frame task.
        seconds: length.
    """

    clip: str
    where: str
    labels: tuple[str, ...]
    events: tuple[tuple[float, float, str], ...]
    vectors: np.ndarray
    seconds: float


@dataclass(frozen=True)
class _Crop:
    clip: LabelledClip
    wave: np.ndarray
    sample_rate: int


def embed_tars(tars: Sequence[Path], task: TaskDefinition, embedder: Embedder, mode: Mode) -> list[Example]:
    """Embeds all clips of one split.

    Raises:
        CodecError: an unreadable or unlabelled clip, a sample rate that the task does not have, or vectors that are not
            ``(frames, dim)`` and finite; names file and task.
    """
    crops = _crops(read_clips(tars), task, mode)
    return list(_compatible(crops, task, embedder) if mode == "compatible" else _corrected(crops, task, embedder))


def _crops(clips: Iterable[LabelledClip], task: TaskDefinition, mode: Mode) -> Iterator[_Crop]:
    for clip in clips:
        if task.sample_rate not in (None, clip.sample_rate):
            raise CodecError(f"{clip.where}: {clip.sample_rate} Hz, but task.json says {task.sample_rate} Hz")
        wave, rate = clip.wave, clip.sample_rate
        if mode == "compatible":
            wave, rate = _resampled(wave, rate), XARES_RATE
        if task.crop_seconds is None:
            yield _Crop(clip, wave, rate)
            continue
        size = task.crop_seconds * rate
        whole = len(wave) // size
        for number in range(whole):
            yield _Crop(clip, wave[number * size : (number + 1) * size], rate)
        tail = wave[whole * size :]
        if mode == "compatible" and not whole:
            yield _Crop(clip, np.pad(tail, (0, size - len(tail))), rate)
        elif mode == "corrected" and (not whole or len(tail) >= MIN_TAIL_SECONDS * rate):
            yield _Crop(clip, tail, rate)


def _compatible(crops: Iterator[_Crop], task: TaskDefinition, embedder: Embedder) -> Iterator[Example]:
    """Clips padded to the longest of their batch; of crops of one clip in one batch only the first is read back."""
    number, last = 0, ("", -1)
    while batch := list(islice(crops, task.encode_batch)):
        longest = max(len(crop.wave) for crop in batch)
        padded = [np.pad(crop.wave, (0, longest - len(crop.wave))) for crop in batch]
        for crop, vectors in zip(batch, _embed(padded, batch, embedder), strict=True):
            if (crop.clip.key, number) != last:
                yield _example(crop, vectors, task, len(crop.wave))
            last = (crop.clip.key, number)
        number += 1


def _corrected(crops: Iterator[_Crop], task: TaskDefinition, embedder: Embedder) -> Iterator[Example]:
    while batch := list(islice(crops, task.encode_batch)):
        for rate in sorted({crop.sample_rate for crop in batch}):
            same = [crop for crop in batch if crop.sample_rate == rate]
            for crop, vectors in zip(same, _embed([crop.wave for crop in same], same, embedder), strict=True):
                yield _example(crop, vectors, task, len(crop.wave))


def _embed(waves: Sequence[np.ndarray], crops: Sequence[_Crop], embedder: Embedder) -> Sequence[np.ndarray]:
    return embed_checked(embedder, waves, crops[0].sample_rate, [crop.clip.where for crop in crops])


def _example(crop: _Crop, vectors: np.ndarray, task: TaskDefinition, samples: int) -> Example:
    frames = task.kind == "frame"
    return Example(
        clip=crop.clip.key,
        where=crop.clip.where,
        labels=() if frames else _labels(crop.clip, task),
        events=tuple(_events(crop.clip, task)) if frames else (),
        vectors=vectors.astype(np.float32) if frames else vectors.mean(0, dtype=np.float32),
        seconds=samples / crop.sample_rate,
    )


def _labels(clip: LabelledClip, task: TaskDefinition) -> tuple[str, ...]:
    fields = clip.fields
    if not isinstance(fields, dict):
        raise CodecError(f"{clip.where}: a list of labels, but task {task.name} has one label a clip")
    if task.kind == "retrieval":
        captions = tuple(str(caption) for caption in fields.values()) if not task.label else (str(fields.get(task.label, "")),)
        if not any(captions):
            raise CodecError(f"{clip.where}: no caption for task {task.name}")
        return captions
    if fields.get(task.label) in (None, ""):
        raise CodecError(f"{clip.where}: no {task.label!r} in its JSON file, which is the label of task {task.name}")
    label = str(fields[task.label])
    return tuple(label.split(task.separator)) if task.separator else (label,)


def _events(clip: LabelledClip, task: TaskDefinition) -> Iterator[tuple[float, float, str]]:
    rows = clip.fields.get("events") if isinstance(clip.fields, dict) else clip.fields
    try:
        for row in rows or ():  # type: ignore[attr-defined]
            onset, offset = float(row.get("onset", row.get("start"))), float(row.get("offset", row.get("end")))
            label = str(row[task.label])
            if not 0 <= onset <= offset < float("inf"):
                raise ValueError(f"an event from {onset} to {offset} s")
            for name in label.split(task.separator) if task.separator else (label,):
                yield onset, offset, name
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise CodecError(f"{clip.where}: its JSON file has no usable events for task {task.name} ({error})") from error


def _resampled(wave: np.ndarray, rate: int) -> np.ndarray:
    if rate == XARES_RATE:
        return wave
    import torch
    import torchaudio

    return torchaudio.functional.resample(torch.from_numpy(wave), rate, XARES_RATE).numpy()
