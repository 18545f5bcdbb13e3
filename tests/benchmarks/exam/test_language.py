"""Tokens that repeat cost nothing, random ones what they weigh; too few clips are refused; what was measured is kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from benchmarks.exam import language
from benchmarks.exam.language import language_of, waves_of
from benchmarks.exam.opening import Opener
from codec.baselines.interface import Encoded
from codec.errors import CodecError
from eval.semantics.language.any_codec import Coded, predict
from eval.semantics.language.transformer import Size

RATE = 8_000
SMALL = Size(dim=16, layers=1, heads=2, context=16, steps=120, batch_size=8, every=20, learning_rate=1e-2)


def clips(random: bool) -> dict[str, list[Coded]]:
    rng = np.random.default_rng(0)

    def codes() -> np.ndarray:
        return rng.integers(0, 8, (2, 60)) if random else np.tile([[1, 2], [3, 0]], (1, 30))

    return {name: [Coded(codes(), 6.0) for _ in range(count)] for name, count in (("train", 40), ("valid", 4), ("test", 4))}


def test_random_tokens_cost_what_they_weigh_and_repeated_ones_nothing() -> None:
    dull, wild = (predict(clips(random), (8, 8), SMALL) for random in (False, True))
    assert wild.nominal == dull.nominal == pytest.approx(60)  # 10 frames a second of two tokens of 3 bits
    assert 58 < wild.bits_per_second.value < 75  # nobody can predict them, and a small model can do a little worse
    assert wild.perplexity == pytest.approx(2 ** (wild.bits_per_second.value / 20))
    assert dull.bits_per_second.value < 12
    assert 1 <= dull.perplexity < 1.7
    assert predict(clips(True), (8, 8), SMALL) == wild
    with pytest.raises(CodecError, match="no tokens in the valid split"):
        predict({**clips(True), "valid": []}, (8, 8), SMALL)


class Signs:
    """A token a tenth of a second: whether it is loud."""

    def __init__(self) -> None:
        self.encoded = 0

    def encode(self, wave: np.ndarray, sample_rate: int) -> Encoded:
        self.encoded += 1
        loud = np.abs(wave[: len(wave) // 800 * 800].reshape(-1, 800)).mean(1) > 0.1
        return Encoded(1, len(wave), sample_rate, wave, torch.from_numpy(loud[None].astype(np.int64)), (2,))


def test_rows_are_measured_once_and_codecs_without_tokens_have_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    for number in range(8):
        soundfile.write(tmp_path / f"{number}.wav", rng.uniform(0, 0.3) * rng.standard_normal(11 * RATE).clip(-1, 1), RATE)
    waves = waves_of(str(tmp_path))
    assert {name: len(own) for name, own in waves.items()} == {"train": 6, "valid": 1, "test": 1}
    codec = Signs()
    monkeypatch.setattr(language.Opener, "__call__", lambda self, name: codec)
    asked = ("signs", "1", Opener(), waves, tmp_path / "cache", "code", SMALL)
    first = language_of(*asked)
    assert first is not None
    assert first.nominal == pytest.approx(10)
    assert language_of(*asked) == first
    assert codec.encoded == 8
    monkeypatch.undo()
    assert language_of("original", "1", Opener(), waves, tmp_path / "cache", "code", SMALL) is None
    (tmp_path / "7.wav").unlink()
    with pytest.raises(CodecError, match="are too little for language rows"):
        waves_of(str(tmp_path))
