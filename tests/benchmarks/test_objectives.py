"""Objectives compared on a corpus of one sentence, for a second of processor time each."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import objectives, tables
from benchmarks.objectives import OBJECTIVES, choose_clips, compare, main, train_for
from codec.config import SemanticConfig
from codec.data import Corpus
from codec.errors import CodecError
from tests.codec.data.sentence import sentence_corpus
from tests.conftest import TINY
from tests.eval.semantics.folders import tone_task
from train import loop
from train.config import CodecStage, SemanticStage, TrainConfig

MODEL = TINY.model_copy(update={"semantic": SemanticConfig(dim=32, hidden_dim=64, dilations=(1, 2), n_features=12)})
SSL = SemanticStage(teacher_components=8, spectrum_components=4, batch_size=4, crop_frames=32, mask_span=4, save_every=5)
MINUTES = 0.02


class Ears:
    """A teacher that hears how loud and how rough each frame is."""

    def __init__(self, folder: str) -> None:
        self.mixing = np.random.default_rng(0).normal(size=(2, 128))

    def __call__(self, wave: np.ndarray) -> np.ndarray:
        frames = wave.reshape(1500, 320)
        heard = np.stack([frames.std(1), np.diff(frames).std(1)], 1) @ self.mixing
        return (heard + 0.01 * np.random.default_rng(1).normal(size=heard.shape)).astype(np.float32)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sentence_corpus(tmp_path_factory.mktemp("objectives"))


@pytest.fixture(autouse=True)
def _few_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(objectives, "WhisperTeacher", Ears)
    monkeypatch.setattr("train.ssl.teacher.PCA_WINDOWS", 1)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def config(root: Path, corpus: Path) -> TrainConfig:
    (domain,) = {entry.clip.domain for entry in Corpus(corpus).entries}
    ssl = SSL.model_copy(update={"weights": {domain: 1.0}})
    codec = CodecStage(stack_shares=(1, 1, 1))
    return TrainConfig(root=str(root), precision="fp32", model=MODEL, ssl=ssl, codec=codec)


def test_all_are_trained_for_their_time_and_probed_and_not_again(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eval.semantics.xares.tasks.STEPS", 60)  # how good the heads get does not matter here
    tasks, settings = [tone_task(tmp_path / "tasks", train=12, test=6)], config(tmp_path / "out", corpus)
    found = compare(settings, corpus, tasks, MINUTES, hours=1)
    assert [row["objective"] for row in found["trained"]] == list(OBJECTIVES)
    for row in found["trained"]:
        assert row["steps"] > 5
        assert MINUTES <= row["minutes"] < 4 * MINUTES
        assert (row["teacher_minutes"] > 0) == (row["objective"] == "distil")
        assert row["figures"]
        assert all(math.isfinite(value) for value in row["figures"].values())
    scored = {(row["embedder"], row["head"]) for row in found["scores"]}
    rows = ("logmel", "semcodec:features", "untrained", *OBJECTIVES)
    assert scored == {(name, head) for name in rows for head in ("knn", "mlp")} | {("majority class", "majority")}
    trust = {row["embedder"]: row["trained"] for row in found["scores"]}
    assert not trust["untrained"]
    assert trust["mae"]

    monkeypatch.setattr(objectives, "train_for", None)
    monkeypatch.setattr(objectives, "cache_features", None)
    assert compare(settings, corpus, tasks, MINUTES, hours=1) == found
    with pytest.raises(CodecError, match="other settings"):
        compare(settings, corpus, tasks, 2 * MINUTES, hours=1)


def test_what_was_interrupted_goes_on_with_what_is_left_of_its_time(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = config(tmp_path, corpus)
    choose_clips(Corpus(corpus), tmp_path / "corpus", settings, hours=1)
    real, stopped = loop.check_finite, 12

    def killing(loss: torch.Tensor, step: int, run: object) -> None:
        if step == stopped:
            raise KeyboardInterrupt
        real(loss, step, run)  # type: ignore[arg-type]

    monkeypatch.setattr(loop, "check_finite", killing)
    with pytest.raises(KeyboardInterrupt):
        train_for("mae", settings, minutes=10, teacher_minutes=0)
    kept = torch.load(tmp_path / "mae" / "checkpoint.pt", weights_only=True)
    assert kept["step"] == 10
    spent = kept["parts"]["clock"]["seconds"] / 60
    assert spent > 0
    monkeypatch.setattr(loop, "check_finite", real)
    found = train_for("mae", settings, minutes=spent + MINUTES / 4, teacher_minutes=0)
    assert found.steps > 10
    assert spent + MINUTES / 4 <= found.minutes < spent + 2 * MINUTES
    assert train_for("mae", settings, minutes=spent, teacher_minutes=0).steps == found.steps


def test_a_part_of_a_corpus(corpus: Path, tmp_path: Path) -> None:
    whole, settings = Corpus(corpus), config(tmp_path, corpus)
    choose_clips(whole, tmp_path / "some", settings, hours=3 / 3600)
    some = Corpus(tmp_path / "some")
    seconds = sum(entry.samples for entry in some.select("train")) / 16_000
    longest = max(entry.samples for entry in whole.entries) / 16_000
    assert 3 <= seconds <= 3 + longest
    assert seconds < sum(entry.samples for entry in whole.select("train")) / 16_000
    entry = some.select("train")[0]
    np.testing.assert_array_equal(some.wave(entry), whole.wave(entry))


def test_what_is_missing_ends_with_one_line(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nowhere = tmp_path / "nowhere"
    with pytest.raises(SystemExit) as caught:
        main(corpus, nowhere, nowhere, tmp_path / "out", "tones")
    assert caught.value.code == 2
    assert capsys.readouterr().err.strip() == (
        f"benchmarks.objectives: {nowhere}: no task folders here; build some with: codec probe tasks"
    )


def test_table_has_both_heads_and_what_each_cost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = {("logmel", "knn"): 0.1, ("logmel", "mlp"): 0.2, ("mae", "knn"): 0.3, ("mae", "mlp"): 0.4}
    scores = [
        {"embedder": name, "task": task, "head": head, "value": value}
        for task in ("word", "drum")
        for (name, head), value in {**values, ("majority class", "majority"): 0.05}.items()
    ]
    trained = [{"objective": "mae", "steps": 70, "minutes": 8.02, "teacher_minutes": 0.0}]
    monkeypatch.setattr(tables, "RESULTS", tmp_path)
    assert "Not measured yet" in tables.objectives()
    (tmp_path / "objectives.json").write_text(json.dumps({"trained": trained, "scores": scores}))
    assert tables.objectives().splitlines()[2:] == [
        "| logmel | – | – | – | 10.0% / 20.0% | 10.0% / 20.0% | 10.0% / 20.0% |",
        "| mae | 70 | 8.0 | 0.0 | 30.0% / 40.0% | 30.0% / 40.0% | 30.0% / 40.0% |",
        "| majority class | – | – | – | 5.0% | 5.0% | 5.0% |",
    ]
