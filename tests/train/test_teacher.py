from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from corpora import Corpus
from tests.corpora.sentence import sentence_corpus
from train.crops import open_features
from train.ssl.teacher import cache_features


class Ears:
    """A teacher that hears four things of each frame, and spreads them over as many numbers as it is wide."""

    def __init__(self, width: int, seed: int) -> None:
        self.mixing = np.random.default_rng(seed).normal(size=(4, width))
        self.seed = seed

    def things(self, wave: np.ndarray) -> np.ndarray:
        frames = wave.reshape(-1, 320) * np.hanning(320)
        bands = np.abs(np.fft.rfft(frames))[:, 4 * self.seed + 1 : 4 * self.seed + 5]
        return np.log(bands + 1e-3)

    def __call__(self, wave: np.ndarray) -> np.ndarray:
        return (self.things(wave) @ self.mixing).astype(np.float32)


def unexplained(features: np.ndarray, wanted: np.ndarray) -> float:
    """Share of the variance that no linear map of the features gives."""
    known = np.column_stack([features, np.ones(len(features))])
    rest = wanted - known @ np.linalg.lstsq(known, wanted, rcond=None)[0]
    return float(rest.var(0).sum() / wanted.var(0).sum())


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return Corpus(sentence_corpus(tmp_path_factory.mktemp("teachers")))


def test_several_teachers_share_the_components_whatever_their_width(corpus: Corpus, tmp_path: Path) -> None:
    narrow, wide = Ears(6, 0), Ears(96, 1)
    cache_features(corpus, [narrow, wide], tmp_path, n_components=8)
    features = np.array(open_features(tmp_path), np.float32)
    entry = corpus.select("train")[0]
    wave = corpus.wave(entry)
    wave = np.pad(wave, (0, -len(wave) % 320))
    own = features[: len(wave) // 320]
    for teacher in (narrow, wide):
        assert unexplained(own, teacher.things(wave)) < 0.05
    cache_features(corpus, [wide], tmp_path / "one", n_components=4)
    alone = np.array(open_features(tmp_path / "one"), np.float32)[: len(own)]
    assert unexplained(alone, wide.things(wave)) < 0.05
    assert unexplained(alone, narrow.things(wave)) > 0.2


def test_a_wide_teacher_does_not_outvote_a_narrow_one(corpus: Corpus, tmp_path: Path) -> None:
    """Four components for eight things: what the narrow one hears is in them, or the wide one would have taken all four."""
    narrow, wide = Ears(6, 0), Ears(96, 1)
    entry = corpus.select("train")[0]
    wave = np.pad(corpus.wave(entry), (0, -entry.samples % 320))
    left = []
    for name, teachers in (("both", [narrow, wide]), ("wide", [wide])):
        cache_features(corpus, teachers, tmp_path / name, n_components=4)
        features = np.array(open_features(tmp_path / name), np.float32)
        left.append(unexplained(features[: len(wave) // 320], narrow.things(wave)))
    assert left[0] < 0.7 * left[1]
