"""What the winner of the ICME 2025 challenge did around its encoders, as options for any embedder.

Cleaning the input (drop silence, remove DC, normalise amplitude), several encoders aligned in time and put side by
side, and the opposite of good practice to compare with: clips padded to a common length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from codec.errors import CodecError
from eval.semantics.interface import Embedder, learned_by

UNIT_SECONDS, SHORTEST_SILENCE = 0.01, 0.5
"""Silence is judged in units of 10 ms and dropped from half a second on."""
SILENCE_DB = -45.0
"""Of a unit, below the loudest one of its clip."""
PEAK = 0.95


@dataclass(frozen=True)
class Cleaning:
    """What is done to a clip before it is embedded, in this order.

    Attributes:
        silence: drop stretches of silence of half a second or more.
        dc: subtract the mean.
        level: scale to a peak of 0.95.
    """

    silence: bool = False
    dc: bool = False
    level: bool = False

    def __call__(self, wave: np.ndarray, sample_rate: int) -> np.ndarray:
        """Cleans ``(samples,)``; never to nothing."""
        if self.silence:
            wave = without_silence(wave, sample_rate)
        if self.dc:
            wave = wave - wave.mean()
        peak = np.abs(wave).max(initial=0.0)
        return (wave * (PEAK / peak) if self.level and peak > 0 else wave).astype(np.float32, copy=False)


def without_silence(wave: np.ndarray, sample_rate: int) -> np.ndarray:
    """Drops every run of silent units that lasts half a second or more; a clip that is all silent stays as it is.

    Example:
        >>> tone = np.sin(np.arange(16_000) / 5)
        >>> len(without_silence(np.concatenate([tone, np.zeros(16_000), tone]), 16_000))
        32000
    """
    unit = max(1, round(UNIT_SECONDS * sample_rate))
    units = np.pad(wave, (0, -len(wave) % unit)).reshape(-1, unit)
    # The mean of each unit goes first, or an offset would count as sound.
    power = np.square(units - units.mean(1, keepdims=True)).mean(1)
    silent = power < power.max(initial=0.0) * 10 ** (SILENCE_DB / 10)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], silent, [False]])))
    keep = np.ones(len(units) * unit, bool)
    for start, stop in edges.reshape(-1, 2):
        if (stop - start) * unit >= SHORTEST_SILENCE * sample_rate:
            keep[start * unit : stop * unit] = False
    return wave[keep[: len(wave)]]


class Cleaned:
    """An embedder that hears cleaned clips.

    Args:
        embedder: of the clean clips.
        cleaning: what is done.
        name: of the result.
    """

    def __init__(self, embedder: Embedder, cleaning: Cleaning, name: str) -> None:
        self._embedder, self._cleaning, self.name = embedder, cleaning, name
        self.dim, self.hop_seconds = embedder.dim, embedder.hop_seconds
        self.trained, self.bitrate = embedder.trained, embedder.bitrate
        self.version: str | None = getattr(embedder, "version", None)
        self.learned = learned_by(embedder)

    def embed(self, waves: Sequence[np.ndarray], sample_rate: int) -> list[np.ndarray]:
        """See `Embedder.embed`; a clip that lost its silence has fewer frames than its length says."""
        return self._embedder.embed([self._cleaning(wave, sample_rate) for wave in waves], sample_rate)


class Ensemble:
    """Several embedders side by side, at the frame rate of the finest.

    Coarser frames are repeated. Each member is scaled to unit power in each clip, so that in a cosine none outshouts
    the others.

    Args:
        members: two or more.
        name: of the result.

    Raises:
        CodecError: fewer than two members.
    """

    def __init__(self, members: Sequence[Embedder], name: str) -> None:
        if len(members) < 2:
            raise CodecError(f"an ensemble needs two embedders or more, {name!r} has {len(members)}")
        self._members, self.name = tuple(members), name
        self.dim, self.hop_seconds = sum(m.dim for m in members), min(m.hop_seconds for m in members)
        self.trained = all(member.trained for member in members)
        bitrates = [member.bitrate for member in members if member.bitrate is not None]
        self.bitrate = sum(bitrates) if len(bitrates) == len(members) else None
        versions: list[str | None] = [getattr(member, "version", None) for member in members]
        known = [version for version in versions if version is not None]
        self.version = " + ".join(known) if len(known) == len(versions) else None
        self.learned = tuple(task for member in members for task in learned_by(member))

    def embed(self, waves: Sequence[np.ndarray], sample_rate: int) -> list[np.ndarray]:
        """See `Embedder.embed`."""
        by_member = [member.embed(waves, sample_rate) for member in self._members]
        return [self._join(parts) for parts in zip(*by_member, strict=True)]

    def _join(self, parts: Sequence[np.ndarray]) -> np.ndarray:
        frames = max(
            len(part) for part, member in zip(parts, self._members, strict=True) if member.hop_seconds == self.hop_seconds
        )
        middles = (np.arange(frames) + 0.5) * self.hop_seconds
        columns = []
        for part, member in zip(parts, self._members, strict=True):
            at = np.minimum((middles / member.hop_seconds).astype(int), len(part) - 1)
            columns.append(part[at] / (np.sqrt(np.square(part).mean()) + 1e-12))
        return np.concatenate(columns, axis=1).astype(np.float32, copy=False)


class Padded:
    """An embedder that pads the clips of every call with zeros to the longest of them: what a careless batch does.

    Args:
        embedder: of the padded clips.
        keep: keep the frames of the padding, as the ``xares`` package does; else drop them again.
        name: of the result.
    """

    def __init__(self, embedder: Embedder, keep: bool, name: str) -> None:
        self._embedder, self._keep, self.name = embedder, keep, name
        self.dim, self.hop_seconds = embedder.dim, embedder.hop_seconds
        self.trained, self.bitrate = embedder.trained, embedder.bitrate
        self.version: str | None = getattr(embedder, "version", None)
        self.learned = learned_by(embedder)

    def embed(self, waves: Sequence[np.ndarray], sample_rate: int) -> list[np.ndarray]:
        """Unlike `Embedder.embed`, what comes out depends on the other clips of the call."""
        longest = max((len(wave) for wave in waves), default=0)
        frames = self._embedder.embed([np.pad(wave, (0, longest - len(wave))) for wave in waves], sample_rate)
        if self._keep:
            return frames
        counts = [max(1, round(len(wave) / sample_rate / self.hop_seconds)) for wave in waves]
        return [part[:count] for part, count in zip(frames, counts, strict=True)]


OPTIONS = ("silence", "dc", "level", "padded", "padded-dropped")
"""What may stand after ``|`` in an embedder's name."""


def with_options(embedder: Embedder, words: Sequence[str], name: str) -> Embedder:
    """Wraps an embedder as the words of `OPTIONS` say.

    Raises:
        CodecError: an unknown word.
    """
    if strange := [word for word in words if word not in OPTIONS]:
        raise CodecError(f"embedder {name!r}: unknown option {strange[0]!r}; there are {', '.join(OPTIONS)}")
    if "padded" in words or "padded-dropped" in words:
        embedder = Padded(embedder, "padded" in words, name)
    cleaning = Cleaning("silence" in words, "dc" in words, "level" in words)
    return Cleaned(embedder, cleaning, name) if cleaning != Cleaning() else embedder
