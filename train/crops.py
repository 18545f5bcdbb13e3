"""Domain-balanced random crops of a corpus, with cached frame features beside them when there are any."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from codec.atomic import atomic_write
from codec.data.domains import Domain
from codec.data.store import SAMPLE_RATE, Corpus, Entry
from codec.errors import CodecError

FRAME = 320
"""Samples in a frame, of which tokens cover two or four."""
FRAMES_PER_SECOND = SAMPLE_RATE // FRAME
LEVELS_DBFS = (-40.0, -6.0)
"""Range of root-mean-square levels that crops are brought to."""
DRIVEN, DRIVEN_DBFS = 0.06, (-14.0, -1.0)
"""Share of crops that are driven to such levels and clipped."""


@dataclass(frozen=True)
class Batch:
    """Crops.

    Attributes:
        wave: ``(B, samples)`` float32.
        features: ``(B, T, D)`` float32, or None without a feature cache.
        labels: ``(B, T, D)`` float32, or None without a cache of labels.
    """

    wave: Tensor
    features: Tensor | None
    labels: Tensor | None = None

    @property
    def seconds(self) -> float:
        """The length of the audio in s."""
        return self.wave.numel() / SAMPLE_RATE

    def first(self, count: int) -> Batch:
        """The first crops."""
        features, labels = (None if part is None else part[:count] for part in (self.features, self.labels))
        return Batch(self.wave[:count], features, labels)

    def to(self, device: torch.device) -> Batch:
        """The same on a device."""
        features, labels = (None if part is None else part.to(device) for part in (self.features, self.labels))
        return Batch(self.wave.to(device), features, labels)


class Crops:
    """Draws batches; crop ``j`` of batch ``i`` depends only on the seed, ``i`` and ``j``: a resumed run sees the same data,
    and so do several processes that share a batch.

    Short clips are joined until a crop is full, so nothing is spent on padding.

    Args:
        corpus: a built corpus.
        split: train or valid.
        weights: share of each domain.
        frames: length of a crop in 20 ms frames.
        batch_size: crops a batch.
        features: memory map ``(frames, D)`` in the order of train + valid clips, or None.
        labels: likewise, of something else.
        seed: of everything random.
        share: the crops of each batch that this process draws; default: all.
    """

    def __init__(
        self,
        corpus: Corpus,
        split: str,
        weights: Mapping[Domain, float],
        frames: int,
        batch_size: int,
        features: np.ndarray | None = None,
        *,
        labels: np.ndarray | None = None,
        seed: int = 0,
        share: slice | None = None,
    ) -> None:
        self.corpus, self.frames, self.seed = corpus, frames, seed
        self._whole = range(batch_size)
        self._numbers = self._whole[share or slice(None)]
        self._caches = (features, labels)
        self._first = first_frames(corpus) if features is not None or labels is not None else {}
        self._entries = {domain: usable(corpus, split, domain) for domain in weights}
        self._domains = [d for d in weights if self._entries[d] and weights[d] > 0]
        if not self._domains:
            raise CodecError(f"the corpus holds no {split} clips of {', '.join(weights)}")
        shares = np.array([weights[d] for d in self._domains], float)
        self._shares = shares / shares.sum()
        lengths = {d: np.array([e.samples for e in self._entries[d]], float) for d in self._domains}
        self._chances = {d: np.cumsum(v / v.sum()) for d, v in lengths.items()}

    def batch(self, index: int) -> Batch:
        """Batch number ``index``, or this process's share of it."""
        return self._draw(index, self._numbers)

    def whole_batch(self, index: int) -> Batch:
        """Batch number ``index``, all of it: for what every process must find the same."""
        return self._draw(index, self._whole)

    def _draw(self, index: int, numbers: range) -> Batch:
        crops = [self._crop(np.random.default_rng((self.seed, index, number))) for number in numbers]
        wave = torch.from_numpy(np.stack([wave for wave, _ in crops]))
        features, labels = (
            None if cache is None else torch.from_numpy(np.stack([rows[index] for _, rows in crops]))
            for index, cache in enumerate(self._caches)
        )
        return Batch(wave, features, labels)

    def stream(self, start: int = 0, device: torch.device | str = "cpu") -> Iterator[tuple[int, Batch]]:
        """Endless ``(index, batch)`` from ``start`` on, on a device, loaded a few batches ahead in a thread."""
        with ThreadPoolExecutor(1) as pool:
            ahead = [pool.submit(self.batch, start + i) for i in range(4)]
            index = start
            while True:
                yield index, ahead.pop(0).result().to(torch.device(device))
                ahead.append(pool.submit(self.batch, index + 4))
                index += 1

    def _crop(self, rng: np.random.Generator) -> tuple[np.ndarray, list[np.ndarray]]:
        domain = self._domains[rng.choice(len(self._domains), p=self._shares)]
        wave = np.zeros(self.frames * FRAME, np.float32)
        rows = [np.zeros((self.frames, 0 if cache is None else cache.shape[1]), np.float32) for cache in self._caches]
        filled = 0
        while filled < self.frames:
            position = min(int(np.searchsorted(self._chances[domain], rng.random())), len(self._entries[domain]) - 1)
            entry = self._entries[domain][position]
            total = entry.samples // FRAME
            start = int(rng.integers(0, max(1, total - self.frames + 1))) if filled == 0 else 0
            count = min(total - start, self.frames - filled)
            piece = self.corpus.wave(entry, start * FRAME, count * FRAME)
            wave[filled * FRAME : filled * FRAME + len(piece)] = piece
            for mine, cache in zip(rows, self._caches, strict=True):
                if cache is not None:
                    row = self._first[entry.start] + start
                    mine[filled : filled + count] = cache[row : row + count]
            filled += count
        return level(wave, rng), rows


def usable(corpus: Corpus, split: str, domain: str) -> list[Entry]:
    """Clips long enough to be cropped."""
    return [entry for entry in corpus.select(split, domain) if entry.samples >= 4 * FRAME]


def first_frames(corpus: Corpus) -> dict[int, int]:
    """First row of each train and valid clip in a feature cache, keyed by the clip's first sample."""
    rows: dict[int, int] = {}
    position = 0
    for entry in cached_entries(corpus):
        rows[entry.start] = position
        position += frames_of([entry])
    return rows


def frames_of(entries: Iterable[Entry]) -> int:
    """Rows that clips have in a feature cache; a last frame that is begun counts."""
    return sum(-(-entry.samples // FRAME) for entry in entries)


def cached_entries(corpus: Corpus) -> list[Entry]:
    """The clips that feature caches hold, in their order."""
    return corpus.select("train") + corpus.select("valid")


def create_features(folder: Path, frames: int, width: int) -> np.memmap:
    """Makes a float16 feature cache, to be filled and then finished by `finish_features`.

    Its room on the disk is taken first: a memory map that meets a full disk ends the process by a signal.

    Raises:
        CodecError: not enough room, or nothing to cache.
    """
    if not frames:
        raise CodecError(f"{folder}: the corpus holds no clips to train on")
    folder.mkdir(parents=True, exist_ok=True)
    path, size = folder / "features.f16", 2 * frames * width
    try:
        with path.open("wb") as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
            else:
                file.truncate(size)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise CodecError(f"{path}: cannot take {size / 1e6:.0f} MB ({error.strerror})") from error
    return np.memmap(path, "<f2", "r+", shape=(frames, width))


def finish_features(folder: Path, features: np.memmap, **about: float | str) -> None:
    """Writes ``features.json``, which says that a feature cache is whole."""
    features.flush()
    frames, width = features.shape
    with atomic_write(folder / "features.json") as handle:
        handle.write(json.dumps({"n_components": width, "frames": frames, **about}).encode())


def open_features(folder: Path) -> np.ndarray:
    """Opens a float16 feature cache as ``(frames, width)``.

    Raises:
        CodecError: there is none, or it was not finished, or not copied whole.
    """
    about = folder / "features.json"
    if not about.is_file():
        raise CodecError(f"{folder}: no finished feature cache here; run codec train {folder.name} first")
    try:
        sizes = json.loads(about.read_text("utf-8"))
        return np.memmap(folder / "features.f16", "<f2", "r", shape=(sizes["frames"], sizes["n_components"]))
    except (OSError, ValueError, KeyError) as error:
        raise CodecError(f"{folder}: damaged feature cache ({error}); delete it and run codec train {folder.name}") from error


def level(wave: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Scales a wave to a random level without clipping it."""
    rms = float(np.sqrt(np.mean(wave**2))) + 1e-6
    if rng.random() < DRIVEN:  # as loud as a careless recording, and clipped like one
        loud = 10 ** (rng.uniform(*DRIVEN_DBFS) / 20) / rms
        return np.clip(wave * np.float32(min(loud, 300.0)), -1, 1)
    gain = 10 ** (rng.uniform(*LEVELS_DBFS) / 20) / rms
    return wave * np.float32(min(gain, 0.99 / (np.abs(wave).max() + 1e-6), 100.0))
