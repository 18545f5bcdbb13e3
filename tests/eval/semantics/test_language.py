from __future__ import annotations

import math
from collections import Counter
from itertools import product
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import mutual_info_score

from codec.errors import CodecError
from codec.model import Codec
from codec.protocol import SemanticCodec
from codec.token_spec import TokenSpec
from codec.tokens import Tokens
from eval.semantics.language.labels import agreement
from eval.semantics.language.measure import (
    LabelledWave,
    label_agreement,
    model_tokens,
    read_splits,
)
from eval.semantics.language.ngram import NGram
from eval.semantics.language.statistics import usage, usage_in_turn
from eval.semantics.language.transformer import Size, TokenTransformer, bits, train
from tests.eval.semantics.folders import tone_task

SMALL = Size(dim=16, layers=1, heads=2, context=8, steps=60, batch_size=8, learning_rate=1e-2, every=20)


def chain(seed: int, count: int, length: int = 20) -> list[list[int]]:
    """Each token is the one before plus one, modulo 5, nine times out of ten."""
    random = np.random.default_rng(seed)
    sequences = []
    for _ in range(count):
        row = [int(random.integers(5))]
        while len(row) < length:
            row.append((row[-1] + 1) % 5 if random.random() < 0.9 else int(random.integers(5)))
        sequences.append(row)
    return sequences


def test_usage_by_hand() -> None:
    found = usage(np.array([0, 0, 1, 1, 2, 2, 2, 2] * 1000), 4)
    assert (found.tokens, found.used) == (8000, 0.75)
    assert found.entropy == pytest.approx(1.5, abs=1e-3)
    assert found.perplexity == pytest.approx(2**1.5, rel=1e-3)


def test_entropy_of_few_tokens_is_corrected_and_bounded() -> None:
    random = np.random.default_rng(0)
    truth = 6.0
    plain = Counter(random.integers(64, size=100).tolist())
    uncorrected = -sum(n / 100 * math.log2(n / 100) for n in plain.values())
    corrected = usage(np.repeat(list(plain), list(plain.values())), 64).entropy
    assert abs(corrected - truth) < abs(uncorrected - truth)
    assert usage(np.arange(64), 64).entropy == 6.0


@given(
    st.lists(st.lists(st.integers(0, 3), max_size=8), max_size=5), st.integers(1, 3), st.lists(st.integers(0, 3), max_size=4)
)
def test_probabilities_sum_to_one(sequences: list[list[int]], order: int, history: list[int]) -> None:
    model = NGram(order, [4]).count(sequences)
    assert sum(model.probability(token, history) for token in range(4)) == pytest.approx(1)


def test_witten_bell_by_hand() -> None:
    model = NGram(2, [4]).count([[0, 1, 0, 1]])
    # Single tokens: 0 and 1 twice each, two kinds; uniform 1/4 below them.
    alone = (2 + 2 / 4) / 6
    assert model.probability(1, []) == pytest.approx(alone)
    assert model.probability(1, [0]) == pytest.approx((2 + 1 * alone) / 3)
    assert model.probability(1, [3]) == pytest.approx(alone)
    assert model.bits([[0, 1]]) == pytest.approx(-math.log2(alone) - math.log2((2 + alone) / 3))


def test_longer_histories_help_where_there_is_something_to_know() -> None:
    sequences, test = chain(0, 50), chain(1, 20)
    one, two = (NGram(order, [5]).count(sequences).bits(test) for order in (1, 2))
    assert two < 0.5 * one


def test_transformer_learns_the_chain_and_repeats_itself() -> None:
    sequences, test = chain(0, 50), chain(1, 20)
    first, second = (train(sequences, chain(2, 5), [5], SMALL) for _ in range(2))
    per_token = bits(first, test, SMALL) / 400
    assert per_token < 0.6 * math.log2(5)
    assert bits(second, test, SMALL) / 400 == per_token


def test_transformer_sees_only_the_past_and_counts_each_token_once() -> None:
    torch.manual_seed(0)
    model = TokenTransformer([5], SMALL).eval()
    row = chain(3, 1, 8)[0]
    changed = [*row[:5], *((token + 1) % 5 for token in row[5:])]
    with torch.inference_mode():
        a, b = (model(torch.tensor([tokens]))[0, :5] for tokens in (row, changed))
    assert torch.allclose(a, b, atol=1e-6)
    # A model that knows nothing takes log2(vocab) for every token, however the windows fall.
    for parameter in model.parameters():
        torch.nn.init.zeros_(parameter)
    assert bits(model, chain(4, 3, 21), SMALL) == pytest.approx(63 * math.log2(5), rel=1e-5)


def test_two_softmaxes_are_one_distribution() -> None:
    """Also where the last group of codewords is not full."""
    torch.manual_seed(0)
    model = TokenTransformer([130], SMALL).eval()
    with torch.inference_mode():
        hidden = model(torch.tensor([[model.start, 3, 129]]))[0, -1:].expand(130, -1)
        nats = model.nats(hidden, torch.arange(130))
    assert nats.isfinite().all()
    assert torch.exp(-nats).sum() == pytest.approx(1, rel=1e-5)
    assert nats.std() > 1e-3


def in_turn(seed: int, count: int) -> list[list[int]]:
    """64 tokens of one stream and 192 of another, in turn, without any other order."""
    random = np.random.default_rng(seed)
    return (
        np.stack([random.integers(64, size=(count, 20)), random.integers(64, 256, size=(count, 20))], 2)
        .reshape(count, -1)
        .tolist()
    )


def test_whose_turn_it_is_costs_nothing() -> None:
    sequences, test, vocabs = in_turn(0, 400), in_turn(1, 20), [64, 192]
    least = 400 * (math.log2(64) + math.log2(192))
    for order in (1, 2):
        assert NGram(order, vocabs).count(sequences).bits(test) == pytest.approx(
            least, rel=0.08
        )  # one bit a token would be 15 %
    assert bits(train(sequences, in_turn(2, 5), vocabs, SMALL), test, SMALL) == pytest.approx(least, rel=0.08)
    found = usage_in_turn(np.concatenate(sequences), vocabs)
    assert (found.tokens, found.vocab, found.used) == (16_000, 256, 1.0)
    assert found.entropy == pytest.approx(least / 800, rel=0.01)


def test_agreement_with_labels() -> None:
    random = np.random.default_rng(0)
    labels = ["a", "b", "c"] * 20
    knowing = [np.full(9, ord(label)) for label in labels]
    ignorant = [random.integers(50, size=9) for _ in labels]
    perfect, chance = agreement(knowing, labels), agreement(ignorant, labels)
    assert (perfect.pnmi, perfect.purity, perfect.adjusted) == (pytest.approx(1), 1, pytest.approx(1))
    assert chance.pnmi > 0.02
    assert abs(chance.adjusted) < 0.05
    mixed = [np.append(k[:5], i) for k, i in zip(knowing, ignorant, strict=True)]
    found = agreement(mixed, labels)
    pairs = [(code, label) for clip, label in zip(mixed, labels, strict=True) for code in clip]
    expected = mutual_info_score([label for _, label in pairs], [code for code, _ in pairs]) / math.log(3)
    assert found.pnmi == pytest.approx(expected)
    by_code = {code: Counter(label for c, label in pairs if c == code) for code, _ in pairs}
    assert found.purity == pytest.approx(sum(max(c.values()) for c in by_code.values()) / len(pairs))


def test_one_label_says_nothing() -> None:
    with pytest.raises(CodecError, match="1 labels on 4 tokens"):
        agreement([np.arange(4)], ["a"])


def test_every_rate_vocabulary_and_stream(tiny: Codec) -> None:
    random = np.random.default_rng(0)
    splits = {
        split: [LabelledWave(random.standard_normal(8000).astype(np.float32) * 0.1, 16_000) for _ in range(3)]
        for split in ("train", "valid", "test")
    }
    size = Size(dim=16, layers=1, heads=2, context=16, steps=2, batch_size=2)
    rows = list(model_tokens(tiny, splits, [25, 100], [16, 32], size))
    streams = ("semantic", "acoustic", "both")
    assert [(row.rate, row.vocab, row.stream) for row in rows] == list(product([25, 100], [16, 32], streams))
    assert [row.nominal for row in rows if row.vocab == 32] == [12.5 * bits for bits in (5, 13, 18)] + [
        25 * bits for bits in (5, 22, 27)
    ]
    assert [(row.test_seconds, row.test_tokens) for row in rows[-3:]] == [(1.5, tokens) for tokens in (39, 117, 156)]
    assert all(row.transformer is not None and row.perplexity > 1 for row in rows)
    assert rows[0].usage.vocab == 16


def test_no_clips(tiny: Codec) -> None:
    with pytest.raises(CodecError, match="no clips in the train split"):
        next(model_tokens(tiny, {"train": [], "valid": [], "test": []}, [50], [32], None))


class Dice:
    """A codec of four streams at 25 frames a second: the semantic one counts up, acoustic ones are thrown."""

    def spec(self, rate: int | None = None, vocab: int | None = None) -> TokenSpec:
        return TokenSpec((4, 8, 16, 32), 25.0, "0" * 16)

    def encode(self, wave: np.ndarray, sample_rate: int, rate: int | None = None, vocab: int | None = None) -> Tokens:
        frames, spec, random = len(wave) * 25 // sample_rate, self.spec(), np.random.default_rng(len(wave))
        thrown = [random.integers(size, size=frames) for size in spec.codebook_sizes[1:]]
        codes = torch.from_numpy(np.stack([np.arange(frames) % 4, *thrown])[None])
        return Tokens(codes, torch.tensor([len(wave)]), sample_rate, spec.frame_rate, spec.codebook_sizes, spec.model)


def test_all_of_four_streams_count() -> None:
    splits = {
        split: [LabelledWave(np.zeros(seconds * 1000, np.float32), 1000)]
        for split, seconds in (("train", 400), ("valid", 4), ("test", 40))
    }
    rows = {row.stream: row for row in model_tokens(cast(SemanticCodec, Dice()), splits, [100], [4], None)}
    assert {stream: row.nominal for stream, row in rows.items()} == {"semantic": 50, "acoustic": 300, "both": 350}
    assert {stream: row.test_tokens for stream, row in rows.items()} == {"semantic": 1000, "acoustic": 3000, "both": 4000}
    assert {stream: row.usage.vocab for stream, row in rows.items()} == {"semantic": 4, "acoustic": 56, "both": 60}
    assert rows["both"].usage.entropy == pytest.approx(14 / 4, rel=0.01)
    for row in rows.values():
        assert row.ngrams["1"] == pytest.approx(row.nominal, rel=0.01)
    assert rows["semantic"].ngrams["2"] < 3, "each token tells the next one"
    assert rows["acoustic"].ngrams["2"] == pytest.approx(300, rel=0.05)


def test_labels_are_held_against_the_first_of_four_streams(tmp_path: Path) -> None:
    folder = tone_task(tmp_path, train=6, test=3)
    clips = [clip for split in read_splits(folder).values() for clip in split]
    (row,) = label_agreement(cast(SemanticCodec, Dice()), folder, [100], [4])
    assert row.agreement.tokens == sum(len(clip.wave) * 25 // clip.sample_rate for clip in clips)
    assert row.agreement.pnmi < 0.05, "numbers that count up know no label"


def test_labels_of_a_task(tmp_path: Path, tiny: Codec) -> None:
    folder = tone_task(tmp_path, train=6, test=3)
    assert [clip.label for clip in read_splits(folder)["test"]] == ["low", "middle", "high"]
    (row,) = label_agreement(tiny, folder, [50], [32])
    assert (row.task, row.agreement.labels) == ("tones", 3)
    assert 0 <= row.agreement.pnmi <= 1
