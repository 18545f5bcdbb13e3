from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from codec.data import Corpus
from codec.errors import CodecError
from tests.codec.data.sentence import sentence_corpus
from train import stages, whisper
from train.config import SemanticStage, TrainConfig
from train.crops import open_features
from train.ssl import teacher as module
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


def test_the_stage_keeps_as_many_components_as_the_config_asks_for(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "corpus").symlink_to(corpus.folder)
    monkeypatch.setattr(module, "WhisperTeacher", lambda name, precision: Ears(200, 0))
    for count, kept in ((8, 128), (150, 150)):
        ssl = SemanticStage(teacher="x", teacher_components=count, spectrum_components=96 - count if count < 96 else 10)
        model = TrainConfig().model
        semantic = model.semantic.model_copy(update={"n_features": ssl.teacher_components + ssl.spectrum_components})
        config = TrainConfig(root=str(tmp_path), ssl=ssl, model=model.model_copy(update={"semantic": semantic}))
        next(stage for stage in stages.STAGES if stage.name == "teacher").run(config)
        assert open_features(tmp_path / "teacher").shape[1] == kept
    with pytest.raises(CodecError, match="the teachers have 200 features, 300 are asked for"):
        cache_features(corpus, [Ears(200, 0)], tmp_path / "wide", n_components=300)


def test_teachers_that_cannot_be_had_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CodecError, match="no folder with a CTranslate2 Whisper model"):
        whisper.locate(tmp_path / "nowhere")
    monkeypatch.setattr(whisper, "find_spec", lambda name: None)
    with pytest.raises(CodecError, match=r"to download one by its size: pip install 'semcodec\[asr\]'"):
        whisper.locate("whisper-base")
    (tmp_path / "model.bin").touch()
    assert whisper.locate(tmp_path) == tmp_path


def test_a_size_of_whisper_is_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    utils = pytest.importorskip("faster_whisper.utils")
    (tmp_path / "model.bin").touch()
    monkeypatch.setattr(utils, "download_model", lambda size: str(tmp_path) if size == "base" else 1 / 0)
    assert whisper.locate("whisper-base") == tmp_path
    with pytest.raises(CodecError, match=r"Whisper small cannot be downloaded \(division by zero\).*ssl\.objective=mae"):
        whisper.locate("whisper-small")
