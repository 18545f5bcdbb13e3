"""Opening the audio of a row, wherever it lies."""

from __future__ import annotations

import contextlib
import io
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from codec.audio.io import AudioReader
from codec.data.recordings.cells import read_cell
from codec.data.recordings.places import FilePlace, Place, TarPlace
from codec.errors import AudioError, CodecError


@dataclass(frozen=True)
class Sound:
    """Audio that is being read.

    Attributes:
        sample_rate: in Hz.
        blocks: of ``(n,)`` float32 samples: the mean over channels.
    """

    sample_rate: int
    blocks: Iterator[np.ndarray]


@contextlib.contextmanager
def open_place(root: str, place: Place) -> Iterator[Sound]:
    """Opens a row's audio. Of audio that is cut short or damaged no tokens are made: labels would not fit them.

    Args:
        root: folder that paths are relative to.
        place: where it lies.

    Raises:
        AudioError: not audio that can be read.
        OSError: not there.
    """
    with contextlib.ExitStack() as stack:
        try:
            reader = _open(stack, root, place)
        except (CodecError, OSError):
            raise
        except Exception as error:
            # Libraries that read strangers' files raise what they like.
            raise AudioError(f"{type(error).__name__}: {error}") from error
        segment = place if isinstance(place, FilePlace) else FilePlace("")
        yield Sound(reader.info.sample_rate, _mono(reader, segment))


def _open(stack: contextlib.ExitStack, root: str, place: Place) -> AudioReader:
    if isinstance(place, FilePlace):
        path = os.path.join(root, place.path)
    elif isinstance(place, TarPlace):
        with open(os.path.join(root, place.path), "rb") as handle:
            handle.seek(place.start)
            data = handle.read(place.size)
        if len(data) < place.size:
            raise AudioError(f"{place.path}: ends within {place.member}")
        return stack.enter_context(AudioReader(io.BytesIO(data), strict=True, name=place.member))
    else:
        cell, name = read_cell(root, place)
        if cell is not None:
            return stack.enter_context(AudioReader(io.BytesIO(cell), strict=True, name=name or None))
        path = os.path.join(root, name)
    return stack.enter_context(AudioReader(path, strict=True))


def _mono(reader: AudioReader, segment: FilePlace) -> Iterator[np.ndarray]:
    rate = reader.info.sample_rate
    first = round(segment.offset * rate)
    left = math.inf if segment.duration is None else round((segment.offset + segment.duration) * rate) - first
    reader.skip(first)
    for block in reader.blocks():
        part = block if len(block) <= left else block[: int(left)]
        if len(part):
            yield part[:, 0] if part.shape[1] == 1 else part.mean(axis=1, dtype=np.float32)
        left -= len(part)
        if left <= 0:
            return
