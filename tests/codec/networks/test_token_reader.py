from __future__ import annotations

import pytest
import torch

from codec.config import ReaderConfig
from codec.networks import token_reader
from codec.networks.token_decoder import value_of
from codec.networks.token_reader import TokenReader, begun, pooled

SMALL = ReaderConfig(dim=16, hidden_dim=32, dilations=(1, 2), n_features=6)
DIMS, ACOUSTIC, LEVELS = {1: 5, 2: 7, 4: 9}, 3, 8


def reader(seed: int = 0) -> TokenReader:
    torch.manual_seed(seed)
    made = TokenReader(SMALL, DIMS, ACOUSTIC, LEVELS).eval()
    made.shares.fill_(0.5)
    return made


@pytest.mark.parametrize("frames_per_token", DIMS)
@pytest.mark.parametrize("count", [1, 2, 3, 8, 13])
@pytest.mark.parametrize("heard", [False, True])
@torch.inference_mode()
def test_an_item_is_read_alike_alone_and_beside_longer_ones(frames_per_token: int, count: int, heard: bool) -> None:
    network, codewords = reader(), torch.randn(3, 17, DIMS[frames_per_token])
    acoustic = torch.randn(3, 17, ACOUSTIC) if heard else None
    there = torch.arange(17) < torch.tensor([17, count, 5])[:, None]
    together = network.read(codewords, there, frames_per_token, acoustic)
    mine = None if acoustic is None else acoustic[1:2, :count]
    alone = network.read(codewords[1:2, :count], torch.ones(1, count, dtype=torch.bool), frames_per_token, mine)
    assert together.shape == (3, 17, 2 * SMALL.n_features + DIMS[frames_per_token] + LEVELS - 1)
    torch.testing.assert_close(together[1:2, :count], alone, atol=1e-5, rtol=1e-4)
    assert not together[1, count:].any()


@torch.inference_mode()
def test_what_stands_behind_an_end_is_not_looked_at() -> None:
    network, codewords = reader(), torch.randn(1, 6, 7)
    there = torch.tensor([[1.0, 1, 1, 0, 0, 0]])
    other, acoustic = codewords.clone(), torch.randn(1, 6, ACOUSTIC)
    other[:, 3:] = 1e6
    louder = torch.where(there[..., None] > 0, acoustic, 1e6)
    assert torch.equal(network.read(codewords, there, 2, acoustic), network.read(other, there, 2, louder))


@torch.inference_mode()
def test_acoustic_tokens_are_read_beside_what_semantic_ones_say_alone() -> None:
    network, codewords, there = reader(), torch.randn(1, 6, 7), torch.ones(1, 6)
    sizes = [SMALL.n_features, SMALL.n_features, 7, LEVELS - 1]
    alone, without, beside, silent = network.read(codewords, there, 2).split(sizes, -1)
    acoustic = torch.cat(
        [value_of(torch.tensor([0, 1, 2, 5, 6, 7]), LEVELS)[None, :, None], torch.randn(1, 6, ACOUSTIC - 1)], -1
    )
    first, second, again, pitch = network.read(codewords, there, 2, acoustic).split(sizes, -1)
    assert torch.equal(alone, first)
    assert torch.equal(beside, again)
    assert not without.any()
    assert not silent.any()
    assert second.std() > 0
    assert pitch.argmax(-1)[0, 1:].tolist() == [0, 1, 4, 5, 6]
    assert not pitch[0, 0].any()
    torch.testing.assert_close(pitch[0, 1:].norm(dim=-1), token_reader.PITCH_SHARE * first[0, 1:].norm(dim=-1))


@torch.inference_mode()
def test_hours_are_read_in_windows_as_in_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    network, codewords, there = reader(), torch.randn(2, 200, 9), torch.arange(200) < torch.tensor([200, 77])[:, None]
    whole = network.read(codewords, there, 4)
    monkeypatch.setattr(token_reader, "WINDOW", 16)
    torch.testing.assert_close(network.read(codewords, there, 4), whole, atol=1e-5, rtol=1e-4)


@torch.inference_mode()
def test_no_tokens_are_read_as_nothing() -> None:
    assert reader().read(torch.zeros(2, 0, 9), torch.zeros(2, 0), 4).shape == (2, 0, 2 * SMALL.n_features + 9 + LEVELS - 1)


@torch.inference_mode()
def test_order_is_heard_where_means_of_codewords_are_deaf() -> None:
    network, codewords = reader(), torch.randn(1, 8, 9)
    there = torch.ones(1, 8)
    forwards, backwards = (network.read(x, there, 4).mean(1) for x in (codewords, codewords.flip(1)))
    read, beside, _ = (forwards - backwards).abs()[0].split([2 * SMALL.n_features, 9, LEVELS - 1])
    assert read.max() > 1e-3 > 1e-5 > beside.max()


@torch.inference_mode()
def test_both_readings_count_before_training_weighs_them() -> None:
    untrained = TokenReader(SMALL, DIMS, ACOUSTIC, LEVELS).eval()
    vectors = untrained.read(torch.randn(1, 6, 7), torch.ones(1, 6), 2, torch.randn(1, 6, ACOUSTIC))
    first, second, beside, _ = vectors.split([SMALL.n_features, SMALL.n_features, 7, LEVELS - 1], -1)
    assert first.std() > 0
    assert second.std() > 0
    assert not beside.any()


def test_rates_of_one_model_are_read_at_the_rate_of_the_longest_tokens() -> None:
    network = reader()
    shapes = {network(torch.randn(1, 8 // n, d), torch.ones(1, 8 // n), n).shape for n, d in DIMS.items()}
    assert shapes == {(1, 2, SMALL.n_features)}


def test_longest_tokens_must_hold_whole_ones() -> None:
    with pytest.raises(ValueError, match="do not hold whole ones"):
        TokenReader(SMALL, {2: 4, 3: 4}, ACOUSTIC, LEVELS)


def test_means_are_of_what_is_there() -> None:
    there = torch.tensor([[1.0, 1, 1, 0, 0], [0, 0, 0, 0, 0]])
    assert begun(there, 2).tolist() == [[1, 1, 0], [0, 0, 0]]
    features = torch.arange(6.0).reshape(2, 3, 1)
    assert pooled(features, begun(there, 2)).tolist() == [[0.5], [0.0]]
