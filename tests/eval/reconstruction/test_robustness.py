"""Tokens that stay: edits as a second implementation counts them, and codecs of which it is known what they keep."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from codec.baselines.interface import Encoded
from eval.reconstruction.interface import Pair
from eval.reconstruction.registry import score
from eval.reconstruction.robustness import CHANGES, compare, metrics, noisy, robustness
from eval.reconstruction.suited import has_tones, score_suited, tokens_of

RATE, HOP = 16_000, 160
TOKENS = st.lists(st.integers(0, 3), max_size=12)


class Levels:
    """Tokens of every 10 ms: one that never changes, and the level in steps of 6 dB."""

    def encode(self, wave: np.ndarray, sample_rate: int) -> Encoded:
        frames = wave[: len(wave) // HOP * HOP].reshape(-1, HOP)
        steps = np.floor(20 * np.log10(np.sqrt(np.mean(frames**2, axis=1)) + 1e-9) / 6).astype(np.int64) + 40
        return Encoded(8, len(wave), sample_rate, wave, torch.from_numpy(np.stack([0 * steps, steps])), (1, 64))

    def decode(self, encoded: Encoded) -> np.ndarray:
        return np.asarray(encoded.payload)


def pair(text: str | None = None) -> Pair:
    """Two seconds at −15 dB, 3 dB from either neighbouring step."""
    wave = (10 ** (-15 / 20) * np.sqrt(2) * np.sin(2 * np.pi * 1000 * np.arange(2 * RATE) / RATE)).astype(np.float32)
    return Pair(wave, wave, RATE, "sound", text)


def edits(first: list[int], second: list[int]) -> int:
    row = list(range(len(second) + 1))
    for i, a in enumerate(first, 1):
        row, before = [i, *row[1:]], row
        for j, b in enumerate(second, 1):
            row[j] = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
    return row[-1]


@given(TOKENS, TOKENS)
def test_edits_are_those_of_the_textbook(first: list[int], second: list[int]) -> None:
    kept = compare(np.array([first], np.int64), np.array([second], np.int64))
    assert kept.edits == edits(first, second)
    assert kept.same == sum(a == b for a, b in zip(first, second, strict=False))
    assert (kept.tokens, kept.length) == (min(len(first), len(second)), max(len(first), len(second)))


def test_a_gain_moves_levels_and_nothing_else_does() -> None:
    codec, given = Levels(), pair()
    values = robustness(codec, given, codec.encode(given.reference, RATE)).values
    assert values["kept_gain"] == 50  # of the two streams the one that never changes
    assert {values[f"first_{change}"] for change in CHANGES} == {100}
    assert [values[f"kept_{change}"] for change in ("shift", "again", "noise30", "noise20")] == [100] * 4
    assert values["edits_gain"] == 50
    assert values["kept_mp3"] > 90


def test_figures_add_up_over_clips_and_need_tokens() -> None:
    codec, given = Levels(), pair()
    values = robustness(codec, given, codec.encode(given.reference, RATE)).values
    for metric in metrics():
        assert metric.ratio is not None
        count, total = (values[name] for name in metric.ratio)
        assert values[metric.name] == pytest.approx(100 * count / total)
    without = Encoded(8, 10, RATE, given.reference)
    assert not robustness(codec, given, without).values
    short = Pair(given.reference[:1000], given.reference[:1000], RATE, "sound")
    assert "shorter than 0.5 s" in robustness(codec, short, codec.encode(short.reference, RATE)).failed["kept_gain"]


def test_noise_is_as_loud_as_it_says(speech: np.ndarray) -> None:
    noise = noisy(speech[0], 20.0, np.random.default_rng(0)) - speech[0]
    assert 10 * np.log10(np.mean(speech**2) / np.mean(noise**2)) == pytest.approx(20, abs=0.1)


def test_of_tones_is_asked_what_is_for_tones_and_of_words_what_has_a_transcript() -> None:
    from eval.reconstruction.interface import Metric

    every = ("speech", "music", "sound")
    asked = [Metric(name, "", True, every, lambda pair: 1.0) for name in ("tones_kept", "visqol", "wer", "dwer")]
    assert has_tones(pair("1000"))
    assert not has_tones(pair("a thousand"))
    assert set(score_suited(pair("1000"), asked).values) == {"tones_kept"}
    assert set(score_suited(pair(), asked).values) == {"visqol", "dwer"}
    assert set(score(pair(), asked).values) == {"tones_kept", "visqol", "wer", "dwer"}
    codec = Levels()
    assert not tokens_of(codec, pair("1000"), codec.encode(pair().reference, RATE)).values
