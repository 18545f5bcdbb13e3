from __future__ import annotations

import numpy as np
import pytest
import torch

from codec.errors import CodecError
from train.reader.kept import Codes
from train.reader.pairs import PairSource, ReaderBatch, padded

VOCABS = (8, 16, 64)


def group(value: int, *lengths: int) -> list[Codes]:
    """Clips whose codes all are ``value``, or one of its neighbours below the same parent."""
    return [{n: np.full((2, -(-length // n)), value, np.int32) for n in (2, 4)} for length in lengths]


@pytest.fixture
def source() -> PairSource:
    spoken = [group(number % 64, 8, 12, 30) for number in range(120)]
    recorded = {
        "speech": [group(number % 64, 20, 22) for number in range(30)],
        "music": [group(number % 64, 400) for number in range(30)],
        "sound": [group(number % 64, 5) for number in range(30)],
    }
    return PairSource(spoken, recorded, VOCABS, phrases=10, recordings=8, seed=1)


def test_batches_follow_from_their_numbers(source: PairSource) -> None:
    stream = source.stream(5, torch.device("cpu"))
    for number in (5, 6, 7):
        at, batch = next(stream)
        assert at == number
        assert torch.equal(batch.phrases.codes, source.batch(number).phrases.codes)
        assert torch.equal(batch.recordings.codes, source.batch(number).recordings.codes)


def test_neighbours_belong_together(source: PairSource) -> None:
    kinds, vocabs = set(), set()
    for number in range(40):
        batch = source.batch(number)
        vocabs.add(batch.vocab)
        for pairs, count in ((batch.phrases, 20), (batch.recordings, 16)):
            assert pairs.codes.shape[::2] == pairs.there.shape
            assert len(pairs.codes) == count
            kinds.add((batch.frames_per_token, pairs.codes.shape[1]))
            first = pairs.codes[..., :1]
            assert torch.equal(first[0::2], first[1::2])
            assert ((pairs.codes == first) | (pairs.there == 0)[:, None]).all()
            assert int(pairs.codes[:, 0].max()) < batch.vocab
            if pairs.codes.shape[1] == 2:  # acoustic codes stay, whatever the vocabulary of semantic ones is
                assert torch.equal(pairs.codes[:, 0], pairs.codes[:, 1] // (VOCABS[-1] // batch.vocab))
    assert kinds == {(2, 1), (2, 2), (4, 1), (4, 2)}  # without acoustic tokens, and with them
    assert vocabs == set(VOCABS)


def test_long_recordings_are_heard_in_parts(source: PairSource) -> None:
    longest = max(source.batch(number).recordings.there.sum(1).max().item() for number in range(0, 20, 2))
    assert longest <= 60


def test_seconds_are_those_of_tokens() -> None:
    batch = PairSource([group(1, 50, 50)] * 9, {}, VOCABS, phrases=4, recordings=4, seed=0).batch(0)
    assert isinstance(batch, ReaderBatch)
    assert batch.seconds == pytest.approx(8.0)
    assert not len(batch.recordings.codes)


def test_without_phrases_it_says_what_is_missing() -> None:
    with pytest.raises(CodecError, match="no phrase was said by two voices"):
        PairSource([], {"speech": [group(1, 20, 22)]}, VOCABS, phrases=4, recordings=4, seed=0)


def test_padding_is_marked() -> None:
    pairs = padded([np.array([[3, 4, 5], [0, 1, 2]]), np.array([[6], [7]])])
    assert pairs.codes.tolist() == [[[3, 4, 5], [0, 1, 2]], [[6, 0, 0], [7, 0, 0]]]
    assert pairs.there.tolist() == [[1, 1, 1], [1, 0, 0]]
