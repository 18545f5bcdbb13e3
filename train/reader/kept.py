"""Tokens of groups of clips, kept on the disk part by part: what was made once is not made again."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np

from codec.atomic import atomic_path, atomic_write
from codec.data.progress import heard
from codec.errors import CodecError
from quantizers.threads import each_in_thread
from train.crops import FRAMES_PER_SECOND

Codes = dict[int, np.ndarray]
"""Of a clip, by frames of 50 Hz per token: ``(S, N)`` of the streams that the reader reads."""
Item = TypeVar("Item")


def claim(folder: Path, about: dict[str, object]) -> None:
    """Says what a folder's tokens are made from.

    Raises:
        CodecError: those that are there were made from something else.
    """
    folder.mkdir(parents=True, exist_ok=True)
    record = folder / "made.json"
    if not record.is_file():
        with atomic_write(record) as handle:
            handle.write(json.dumps(about).encode())
    elif json.loads(record.read_text("utf-8")) != about:
        raise CodecError(f"{folder}: tokens of another model, corpus or config; delete it")


def kept(
    name: str, folder: Path, parts: Sequence[Sequence[Item]], make: Callable[[Sequence[Item]], list[list[Codes]]]
) -> Iterator[tuple[Sequence[Item], list[list[Codes]]]]:
    """Parts and a group of clips for every item of theirs, made where no file holds them yet, a part to a thread.

    Args:
        name: of the work, for who waits.
        folder: of the files.
        parts: what groups are made from.
        make: makes a part's groups.

    Raises:
        CodecError: a file is damaged.
    """

    def group(numbered: tuple[int, Sequence[Item]]) -> tuple[Sequence[Item], list[list[Codes]]]:
        number, part = numbered
        path = folder / f"{number:05d}.npz"
        if not path.exists():
            _write(path, make(part))
        return part, read_part(path)

    yield from heard(name, each_in_thread(group, list(enumerate(parts))), lambda made: _seconds(made[1]), None)


def _seconds(groups: Sequence[Sequence[Codes]]) -> float:
    return sum(n * each[n].shape[1] for group in groups for each in group for n in list(each)[:1]) / FRAMES_PER_SECOND


def _write(path: Path, groups: Sequence[Sequence[Codes]]) -> None:
    clips = [codes for group in groups for codes in group]
    arrays = {"counts": np.array([len(group) for group in groups], np.int32)}
    for n in clips[0] if clips else ():
        arrays[f"lengths{n}"] = np.array([codes[n].shape[1] for codes in clips], np.int32)
        arrays[f"codes{n}"] = np.concatenate([codes[n] for codes in clips], 1)
    with atomic_path(path) as staged, staged.open("wb") as handle:
        np.savez(handle, **arrays)  # type: ignore[arg-type]  # newer releases take a flag, too


def read_part(path: Path) -> list[list[Codes]]:
    """Groups of a file, in their order.

    Raises:
        CodecError: damaged.
    """
    try:
        with np.load(path) as arrays:
            names = [name for name in arrays.files if name.startswith("lengths")]
            ends = {int(name[7:]): np.cumsum(arrays[name])[:-1] for name in names}
            split = {n: np.split(arrays[f"codes{n}"], where, 1) for n, where in ends.items()}
            clips = iter([dict(zip(split, parts, strict=True)) for parts in zip(*split.values(), strict=True)])
            return [list(islice(clips, int(count))) for count in arrays["counts"]]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise CodecError(f"{path}: damaged ({error}); delete it") from error
