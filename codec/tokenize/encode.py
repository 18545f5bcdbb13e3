"""Encoding many recordings: short ones in batches of equal length, long ones as streams in flat memory.

A batch gives what its rows give alone. Nothing is padded for that: a token depends on where its audio ends, so only
recordings of equally many tokens, each filled up to a whole token as it would be alone, go through the networks together.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from codec.arrays import as_array
from codec.audio.io import resample
from codec.audio.samples import as_batch
from codec.data.recordings.opening import Sound
from codec.errors import AudioError
from codec.model import Codec
from codec.tokens import count_frames

LONG_SECONDS = 60
"""Longer recordings are not held in memory."""
HELD_SAMPLES = 1 << 24
"""About 17 minutes: when short recordings are as much, they are encoded. Memory of a worker depends on this."""
MAX_BATCH = 32


@dataclass(frozen=True)
class Encoded:
    """A recording's tokens.

    Attributes:
        index: of the recording, as it was added.
        codes: ``(S, T)``.
        sample_rate: of the recording in Hz.
        samples: of the recording.
    """

    index: int
    codes: np.ndarray
    sample_rate: int
    samples: int


@dataclass(frozen=True)
class _Held:
    index: int
    wave: np.ndarray
    sample_rate: int
    samples: int


class BatchEncoder:
    """Takes recordings, and gives tokens once there are enough of them, in any order.

    Args:
        model: with the rate and vocabulary to encode at.
        streams: to keep, the semantic one first; default: all.
    """

    def __init__(self, model: Codec, streams: int | None = None) -> None:
        self._model, self._streams = model, streams
        self._waiting: defaultdict[int, list[_Held]] = defaultdict(list)
        self._held = 0

    def add(self, index: int, sound: Sound) -> list[Encoded]:
        """Takes a recording; returns it if it is too long to wait.

        Raises:
            AudioError: no samples, samples far beyond full scale, or damage on the way.
        """
        blocks: list[np.ndarray] = []
        samples = 0
        for block in sound.blocks:
            blocks.append(block)
            samples += len(block)
            if samples > LONG_SECONDS * sound.sample_rate:
                return [self._encode_long(index, Sound(sound.sample_rate, itertools.chain(blocks, sound.blocks)))]
        if not samples:
            raise AudioError("contains no samples")
        self._hold(index, np.concatenate(blocks), sound.sample_rate)
        return []

    @property
    def full(self) -> bool:
        """Whether as much waits as memory should hold."""
        return self._held > HELD_SAMPLES

    def flush(self) -> Iterator[Encoded]:
        """Encodes everything that waits."""
        for _, group in sorted(self._waiting.items()):
            for start in range(0, len(group), MAX_BATCH):
                yield from self._encode_batch(group[start : start + MAX_BATCH])
        self._waiting.clear()
        self._held = 0

    def _hold(self, index: int, wave: np.ndarray, sample_rate: int) -> None:
        rate = self._model.sample_rate
        count = count_frames(len(wave), sample_rate, self._model.frame_rate, rate)
        target = count * round(rate / self._model.frame_rate)
        [near], rate_in = self._model.engine.at_its_rate([wave], sample_rate)
        converted = resample(near[None], rate_in, rate)[0][:target]
        # Looked at here, where one recording fails and not a whole batch.
        [held] = as_batch(np.pad(converted, (0, target - len(converted))))
        self._waiting[count].append(_Held(index, held, sample_rate, len(wave)))
        self._held += target

    def _encode_batch(self, group: list[_Held]) -> Iterator[Encoded]:
        stream = self._model.stream_encoder(self._model.sample_rate, len(group))
        parts = stream.push(np.stack([held.wave for held in group])), stream.flush()
        codes = np.concatenate([as_array(part) for part in parts], axis=2)
        for held, item in zip(group, codes, strict=True):
            yield Encoded(held.index, self._kept(item), held.sample_rate, held.samples)

    def _encode_long(self, index: int, sound: Sound) -> Encoded:
        stream = self._model.stream_encoder(sound.sample_rate)
        parts = [as_array(stream.push(block[None])) for block in sound.blocks]
        codes = np.concatenate([*parts, as_array(stream.flush())], axis=2)[0]
        return Encoded(index, self._kept(codes), sound.sample_rate, stream.samples)

    def _kept(self, codes: np.ndarray) -> np.ndarray:
        return codes[: self._streams].astype(np.int32)
