from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from codec.errors import CodecError
from eval.semantics.hear import api
from eval.semantics.hear.probe import GRID, Budget, Data, Network, Point, _rounds, fit, probe
from eval.semantics.hear.tasks import open_folder
from tests.eval.semantics.folders import PITCHES, RATE, Spectrum, tone

QUICK = Budget(hidden_dim=32, batch_size=16, epochs=30, every=3, patience=3, points=2)


def hear_folder(root: Path, splits: dict[str, int], metric: str = "top1_acc", multilabel: bool = False) -> Path:
    folder = root / "tones-v1-tiny"
    names = list(PITCHES)
    meta = {
        "task_name": "tones",
        "embedding_type": "scene",
        "prediction_type": "multilabel" if multilabel else "multiclass",
        "evaluation": [metric, "chroma_acc"],
    }
    folder.mkdir(parents=True)
    (folder / "task_metadata.json").write_text(json.dumps(meta))
    (folder / "labelvocabulary.csv").write_text("idx,label\n" + "".join(f"{i},{name}\n" for i, name in enumerate(names)))
    for offset, (split, count) in enumerate(splits.items()):
        audio = folder / str(RATE) / split
        audio.mkdir(parents=True)
        rows = {}
        for i in range(count):
            name = names[i % 3]
            soundfile.write(audio / f"{i}.wav", tone(PITCHES[name], 0.3, 1000 * offset + i), RATE)
            rows[f"{i}.wav"] = [name]
        (folder / f"{split}.json").write_text(json.dumps(rows))
    return folder


@pytest.mark.parametrize(("metric", "multilabel"), [("top1_acc", False), ("mAP", True)])
def test_three_splits(tmp_path: Path, metric: str, multilabel: bool) -> None:
    folder = hear_folder(tmp_path, {"train": 30, "valid": 9, "test": 9}, metric, multilabel)
    score = probe(folder, Spectrum(), QUICK)  # type: ignore[arg-type]
    assert (score.suite, score.task, score.metric, score.train, score.test) == ("hear", "tones", metric, 30, 9)
    assert score.value > 0.8
    assert score.folds == ()
    assert probe(folder, Spectrum(), QUICK) == score  # type: ignore[arg-type]


def test_ranks_across_clips_are_those_of_probabilities(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clip whose logits are all high is no better a match of its class than one whose logits are all low."""

    class Logits(Spectrum):
        dim = 3

        def embed(self, waves: Sequence[np.ndarray], sample_rate: int) -> list[np.ndarray]:
            # Clip i is of class i modulo 3.
            return [(4 * np.eye(3)[[i % 3]] + 20 * i).astype(np.float32) for i in range(len(waves))]

    class Given(Network):
        def forward(self, vectors: torch.Tensor) -> torch.Tensor:
            return vectors

    given = Given(3, 3, GRID[0], 8)
    monkeypatch.setattr("eval.semantics.hear.probe.fit", lambda *_: (given, 1.0))
    folder = hear_folder(tmp_path, {"train": 9, "valid": 9, "test": 9}, "mAP", multilabel=False)
    assert probe(folder, Logits(), QUICK).value == 1.0  # type: ignore[arg-type]


@pytest.mark.parametrize("how", ["raises", "shape", "NaN", "None", "list"])
def test_an_encoder_that_fails_is_named_with_the_clip(how: str, tmp_path: Path) -> None:
    class Wrong(Spectrum):
        def embed(self, waves: Sequence[np.ndarray], sample_rate: int) -> list[np.ndarray]:
            if how == "raises":
                raise RuntimeError("out of memory")
            wrong = {"shape": np.zeros((2, 5)), "NaN": np.full((2, 24), np.nan), "list": [[0.0] * 24]}
            return None if how == "None" else [wrong[how]] * len(waves)  # type: ignore[return-value, list-item]

    with pytest.raises(CodecError, match=r"spectrum.*0\.wav \(task tones\)"):
        probe(broken(tmp_path), Wrong(), QUICK)  # type: ignore[arg-type]


def test_folds(tmp_path: Path) -> None:
    folder = hear_folder(tmp_path, {f"fold{i:02d}": 9 for i in range(4)})
    score = probe(folder, Spectrum(), QUICK)  # type: ignore[arg-type]
    assert (len(score.folds), score.train, score.test) == (4, 18, 36)
    assert score.value == pytest.approx(np.mean(score.folds))


def test_fold_rules() -> None:
    data = {f"fold0{i}": Data(np.full((1, 1), i), np.full((1, 1), i)) for i in range(4)}
    seen = [tuple(sorted(part.vectors[:, 0].tolist()) for part in parts) for parts in _rounds(data, True)]
    assert seen == [([2, 3], [1], [0]), ([0, 3], [2], [1]), ([0, 1], [3], [2]), ([1, 2], [0], [3])]


def test_the_grid_and_the_network() -> None:
    assert len(GRID) == 16
    network = Network(8, 3, Point(2, 1e-3, False), 16)
    assert [type(layer).__name__ for layer in network] == ["Linear", "BatchNorm1d", "Dropout", "ReLU"] * 2 + ["Linear"]


def test_early_stopping() -> None:
    calls = []

    def metric(scores: np.ndarray, targets: np.ndarray) -> float:
        calls.append(1)
        return 0.5

    data = Data(np.random.default_rng(0).standard_normal((8, 4)).astype(np.float32), np.eye(2, dtype=np.float32)[[0, 1] * 4])
    fit(data, data, GRID[0], False, metric, Budget(hidden_dim=8, epochs=300, every=3, patience=4))
    assert len(calls) == 5


def test_module_api() -> None:
    model = api.as_model(Spectrum(), 32_000)  # type: ignore[arg-type]
    assert isinstance(model, torch.nn.Module)
    assert (model.sample_rate, model.scene_embedding_size, model.timestamp_embedding_size) == (32_000, 24, 24)
    audio = torch.randn(2, 32_000)
    embeddings, times = api.get_timestamp_embeddings(audio, model)
    assert embeddings.shape == (2, 50, 24)
    assert embeddings.dtype == times.dtype == torch.float32
    assert times.shape == (2, 50)
    assert times[0, :2].tolist() == [10.0, 30.0]
    assert torch.allclose(api.get_scene_embeddings(audio, model), embeddings.mean(1))
    with pytest.raises(CodecError, match="not at 24000"):
        api.as_model(Spectrum(), 24_000)  # type: ignore[arg-type]


def test_load_model_by_name() -> None:
    model = api.load_model("logmel", sample_rate=16_000)
    assert api.get_scene_embeddings(torch.zeros(1, 16_000), model).shape == (1, model.scene_embedding_size)


def broken(tmp_path: Path) -> Path:
    return hear_folder(tmp_path, {"train": 12, "valid": 3, "test": 3})


def test_missing_split(tmp_path: Path) -> None:
    folder = broken(tmp_path)
    (folder / "valid.json").unlink()
    with pytest.raises(CodecError, match=r"no valid\.json \(task tones\)"):
        open_folder(folder)


def test_too_few_folds(tmp_path: Path) -> None:
    with pytest.raises(CodecError, match="2 folds; at least 3"):
        open_folder(hear_folder(tmp_path, {"fold00": 3, "fold01": 3}))


def test_missing_and_wrong_audio(tmp_path: Path) -> None:
    folder = broken(tmp_path)
    path = folder / "16000" / "test" / "0.wav"
    soundfile.write(path, np.zeros(99), 8000)
    with pytest.raises(CodecError, match=r"0\.wav: 8000 Hz in a folder for 16000 Hz \(task tones\)"):
        probe(folder, Spectrum(), QUICK)  # type: ignore[arg-type]
    path.unlink()
    with pytest.raises(CodecError, match=r"0\.wav"):
        probe(folder, Spectrum(), QUICK)  # type: ignore[arg-type]


def test_unknown_label(tmp_path: Path) -> None:
    folder = broken(tmp_path)
    (folder / "test.json").write_text('{"0.wav": ["yodel"]}')
    with pytest.raises(CodecError, match=r"0\.wav \(task tones\): labels \('yodel',\) do not fit"):
        probe(folder, Spectrum(), QUICK)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("task_metadata.json", "{"),
        ("labelvocabulary.csv", "a,b\n1,2\n"),
        ("labelvocabulary.csv", "idx,label\n3,x\n"),
        ("train.json", "[]"),
        ("train.json", '{"a.wav": "x"}'),
    ],
)
def test_damaged_files(tmp_path: Path, file: str, text: str) -> None:
    folder = broken(tmp_path)
    (folder / file).write_text(text)
    with pytest.raises(CodecError, match=file.replace(".", r"\.")):
        open_folder(folder)
