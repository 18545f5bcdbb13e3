"""The xares package itself, unchanged, on one of our offline tasks: slow, its imports take half a minute."""

from __future__ import annotations

import ast
import dataclasses
import importlib.util
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from typer.testing import CliRunner

from codec.data.recording import Recording
from codec.data.store import Entry
from codec.errors import CodecError
from eval.semantics.cli import app
from eval.semantics.embeddings import open_embedder
from eval.semantics.scores import Failure
from eval.semantics.tasks import build_tasks, spoken
from eval.semantics.xares.encoder import class_name, patch_audio_loading
from eval.semantics.xares.real import RealScore, prepare, run_real
from eval.semantics.xares.run import run_task
from eval.semantics.xares.tasks import card_of, from_card
from tests.eval.semantics.folders import tone_task


@pytest.fixture
def language_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The offline task ``language`` with four of its twenty languages; of the corpus it needs nothing."""
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    np.zeros(160, "<i2").tofile(corpus / "audio.i16")
    entry = Entry(Recording("0.wav", "nobody", "speech", "nowhere", {}), "train", 0, 160, 1.0)
    (corpus / "clips.jsonl").write_text(json.dumps(dataclasses.asdict(entry)))
    monkeypatch.setattr(spoken, "NUMBER_LANGUAGES", ("de", "fi", "it", "ru"))
    (card,) = build_tasks(tmp_path / "tasks", corpus, names=["language"])
    return tmp_path / "tasks" / card.name


@pytest.mark.slow
def test_the_package_and_our_runner_give_the_same_neighbour_score(tmp_path: Path, language_task: Path) -> None:
    folder, name = language_task, "semcodec@50:both"
    # A score of an older model under the same name is not today's.
    stale = tmp_path / "work" / "env" / "language" / "checkpoints" / class_name(name)
    stale.mkdir(parents=True)
    for head in ("mlp", "knn"):
        (stale / f"{head}_score.txt").write_text("0.123\n1")
    (real,) = run_real(tmp_path / "work", [name], [folder])
    assert isinstance(real, RealScore)
    task = from_card(card_of(folder))
    compatible, corrected = (
        run_task(task, folder, open_embedder(name), ["knn"], mode, "tasks")[0].value for mode in ("compatible", "corrected")
    )
    assert real.knn == pytest.approx(compatible, abs=1e-9)
    # A task that is neither trivial nor hopeless, or equality would say nothing; and padding shows.
    assert 0.4 < compatible < 1
    assert corrected != compatible
    assert real.mlp is not None
    assert 0 <= real.mlp <= 1


def test_audio_is_read_without_torchcodec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torchaudio

    monkeypatch.setattr(torchaudio, "load", None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    soundfile.write(tmp_path / "x.wav", torch.zeros(100, 2).numpy(), 8000)
    patch_audio_loading()
    wave, rate = torchaudio.load(tmp_path / "x.wav")
    assert (wave.shape, rate) == ((2, 100), 8000)


def test_files_for_the_package(tmp_path: Path) -> None:
    folder = tone_task(tmp_path / "tasks")
    card = json.loads((folder / "task.json").read_text())
    card["classes"] = ['"""; raise SystemExit #', "low", "middle", "high"]
    (folder / "task.json").write_text(json.dumps(card))
    encoders, files = prepare(tmp_path / "work", ["semcodec@50:semantic", "logmel"], [folder])
    assert list(encoders.values()) == ["semcodec50_semantic_encoder.py", "logmel_encoder.py"]
    for file in [*encoders.values(), *files.values()]:
        tree = ast.parse((tmp_path / "work" / file).read_text())
        assert not any(isinstance(node, ast.Raise) for node in ast.walk(tree))
        names = [n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and n.id.endswith("Encoder")]
        assert len(names) == (1 if file in encoders.values() else 0)
    assert (tmp_path / "work" / "env" / "tones" / "wds-audio-test-000000.tar").is_file()
    card["name"] = "../../elsewhere"
    (folder / "task.json").write_text(json.dumps(card))
    with pytest.raises(CodecError, match="not this folder's"):
        prepare(tmp_path / "work", ["logmel"], [folder])


def test_the_package_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(CodecError, match=r"semcodec\[xares\]"):
        list(run_real(tmp_path, ["logmel"], []))


def test_what_an_earlier_run_left_goes_and_nothing_else(tmp_path: Path) -> None:
    folder = tone_task(tmp_path / "tasks")
    env = tmp_path / "work" / "env" / "tones"
    for name in ("logmel", "semcodec@50:both"):
        for kept in ("checkpoints", "embeddings"):
            (env / kept / class_name(name)).mkdir(parents=True)
    prepare(tmp_path / "work", ["logmel"], [folder])
    assert sorted(path.name for path in env.glob("*/*Encoder")) == ["Semcodec50BothEncoder"] * 2


def test_relative_paths_hold_in_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here" / "peers" / "dac").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    encoders, _ = prepare(Path("work"), ["logmel+peer:peers/dac|dc,level"], [])
    (file,) = encoders.values()
    assert f"'logmel+peer:{tmp_path}/here/peers/dac|dc,level'" in Path("work", file).read_text()


def test_only_our_own_task_folders(tmp_path: Path) -> None:
    (tmp_path / "esc50").mkdir()
    with pytest.raises(CodecError, match="own task folders only"):
        prepare(tmp_path / "work", ["logmel"], [tmp_path / "esc50"])


def test_a_missing_score_does_not_take_the_others_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b", "c"):
        tone_task(tmp_path / "tasks", name)

    def leave(command: list[str], cwd: Path, **_: object) -> subprocess.CompletedProcess[str]:
        for task, heads in {"a": ("knn",), "c": ("knn", "mlp")}.items():
            kept = cwd / "env" / task / "checkpoints" / "LogmelEncoder"
            kept.mkdir(parents=True)
            for head in heads:
                (kept / f"{head}_score.txt").write_text("0.5\n12")
        return subprocess.CompletedProcess(command, 1, "said", "and failed")

    monkeypatch.setattr(subprocess, "run", leave)
    found = list(run_real(tmp_path / "work", ["logmel"], sorted((tmp_path / "tasks").iterdir())))
    assert found[0] == RealScore("a", "logmel", None, 0.5)
    assert [(row.task, type(row)) for row in found] == [("a", RealScore), ("a", Failure), ("b", Failure), ("c", RealScore)]
    assert "no mlp or knn score of logmel on b (exit code 1); see " in found[2].reason  # type: ignore[union-attr]
    assert (tmp_path / "work" / "logmel_encoder.py.log").read_text() == "saidand failed"
    told = CliRunner().invoke(app, ["xares", "-c", "logmel", "-t", str(tmp_path / "tasks"), "-o", str(tmp_path / "work")])
    assert told.exit_code == 1
    assert [line.split() for line in told.stdout.splitlines()] == [
        ["a", "logmel", "kNN", "50.0%"],
        ["c", "logmel", "MLP", "50.0%", "kNN", "50.0%"],
    ]
