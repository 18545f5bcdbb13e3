"""Batches of tokens of which two at a time belong together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from codec.errors import CodecError
from train.crops import FRAMES_PER_SECOND
from train.reader.groups import is_held_out
from train.reader.kept import Codes

RECORDED = 120
"""Frames of 50 Hz of a recording that are read at most."""
SPEECH_SHARE = 0.5
"""Of recordings in a batch; music and sound share the rest."""
Item = TypeVar("Item")


@dataclass(frozen=True)
class Pairs:
    """Clips, of which 2·i and 2·i + 1 belong together.

    Attributes:
        codes: ``(B, S, N)``, 0 where a clip has ended.
        there: ``(B, N)``, 1 where it has not.
    """

    codes: Tensor
    there: Tensor

    def to(self, device: torch.device) -> Pairs:
        """The same on a device."""
        return Pairs(self.codes.to(device), self.there.to(device))


@dataclass(frozen=True)
class ReaderBatch:
    """What a step of the reader's training is given.

    Attributes:
        phrases: the same phrase by two voices.
        recordings: a recording and a copy of it, or two parts of it.
        frames_per_token: frames of 50 Hz in a token.
        vocab: that the codes are of.
        seconds: of audio.
    """

    phrases: Pairs
    recordings: Pairs
    frames_per_token: int
    vocab: int
    seconds: float


class PairSource:
    """Draws batches; each depends on the seed and its number alone. Those with even numbers have no acoustic tokens.

    Args:
        spoken: groups of the same phrase.
        recorded: by domain, groups of a recording and its copies.
        vocabs: semantic vocabularies, each a refinement of the one before; codes are of the last one.
        phrases: in a batch, each by two voices.
        recordings: in a batch, each twice.
        seed: of everything random.

    Raises:
        CodecError: no phrases to learn from.
    """

    def __init__(
        self,
        spoken: Sequence[list[Codes]],
        recorded: Mapping[str, Sequence[list[Codes]]],
        vocabs: Sequence[int],
        phrases: int,
        recordings: int,
        seed: int,
    ) -> None:
        self._spoken = [group for number, group in enumerate(spoken) if not is_held_out(number)]
        if not self._spoken:
            raise CodecError("no phrase was said by two voices: are espeak-ng's voices installed? reader.phrases asks for more")
        speech, others = recorded.get("speech", []), [g for d, groups in recorded.items() if d != "speech" for g in groups]
        self._recorded, self._vocabs, self._seed = (speech, others), vocabs, seed
        self._counts = min(phrases, len(self._spoken)), recordings
        self._stacks = tuple(self._spoken[0][0])

    def batch(self, number: int) -> ReaderBatch:
        """Batch number ``number``."""
        rng = np.random.default_rng((self._seed, number))
        semantic_only, frames_per_token = number % 2 == 0, self._stacks[number // 2 % len(self._stacks)]
        vocab = self._vocabs[-1] if rng.random() < 0.5 else int(rng.choice(self._vocabs))
        phrases, recordings = self._counts
        spoken = [two for group in _some(self._spoken, phrases, rng) for two in _two(group, rng)]
        recorded = [
            _part(each, frames_per_token, rng, whole=groups is self._recorded[0])
            for groups, share in zip(self._recorded, (SPEECH_SHARE, 1 - SPEECH_SHARE), strict=True)
            for group in _some(groups, round(share * recordings), rng)
            for each in _two(group, rng)
        ]
        said, divided = [codes[frames_per_token] for codes in spoken], self._vocabs[-1] // vocab
        seconds = sum(codes.shape[1] for codes in said + recorded) * frames_per_token / FRAMES_PER_SECOND
        streams = 1 if semantic_only else None
        phrased, heard = (padded([coarser(codes[:streams], divided) for codes in clips]) for clips in (said, recorded))
        return ReaderBatch(phrased, heard, frames_per_token, vocab, seconds)

    def stream(self, start: int, device: torch.device) -> Iterator[tuple[int, ReaderBatch]]:
        """Numbers and batches from ``start`` on."""
        number = start
        while True:
            batch = self.batch(number)
            moved = batch.phrases.to(device), batch.recordings.to(device)
            yield number, ReaderBatch(*moved, batch.frames_per_token, batch.vocab, batch.seconds)
            number += 1


def coarser(codes: np.ndarray, divided: int) -> np.ndarray:
    """Semantic codes ``(S, N)`` of a vocabulary that is smaller by a factor; acoustic ones stay.

    Example:
        >>> coarser(np.array([[9, 4], [9, 4]]), 4).tolist()
        [[2, 1], [9, 4]]
    """
    return np.concatenate([codes[:1] // divided, codes[1:]])


def padded(codes: Sequence[np.ndarray]) -> Pairs:
    """Clips ``(S, N)`` side by side.

    Example:
        >>> padded([np.array([[3, 4]]), np.array([[5]])]).there.tolist()
        [[1.0, 1.0], [1.0, 0.0]]
    """
    shape = np.max([row.shape for row in codes], 0) if codes else (1, 0)
    rows, there = np.zeros((len(codes), *shape), np.int64), np.zeros((len(codes), shape[1]), np.float32)
    for index, row in enumerate(codes):
        rows[index, :, : row.shape[1]], there[index, : row.shape[1]] = row, 1
    return Pairs(torch.from_numpy(rows), torch.from_numpy(there))


def _some(groups: Sequence[Item], count: int, rng: np.random.Generator) -> list[Item]:
    return [groups[i] for i in rng.choice(len(groups), min(count, len(groups)), replace=False)]


def _two(group: list[Codes], rng: np.random.Generator) -> list[Codes]:
    """Two of a group, or the same one twice if it is alone."""
    first, second = rng.choice(len(group), 2, replace=len(group) < 2)
    return [group[first], group[second]]


def _part(codes: Codes, frames_per_token: int, rng: np.random.Generator, whole: bool) -> np.ndarray:
    """The beginning of speech, since copies of it say the same; of other recordings any part, since they sound alike."""
    row, most = codes[frames_per_token], RECORDED // frames_per_token
    if whole:
        return row[:, :most]
    count = min(row.shape[1], int(rng.integers(max(2, most // 3), most + 1)))
    start = int(rng.integers(row.shape[1] - count + 1))
    return row[:, start : start + count]
