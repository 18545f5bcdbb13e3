"""The xares package itself, unchanged, on a small task: slow, because it takes half a minute to import what it needs."""

from __future__ import annotations

import ast
import importlib.util
import json
from pathlib import Path

import pytest
import soundfile
import torch

from codec.errors import CodecError
from eval.semantics.embeddings import open_embedder
from eval.semantics.xares.encoder import patch_audio_loading
from eval.semantics.xares.real import prepare, run_real
from eval.semantics.xares.run import run_task
from eval.semantics.xares.tasks import card_of, from_card
from tests.eval.semantics.folders import tone_task


@pytest.mark.slow
def test_the_package_and_our_runner_give_the_same_neighbour_score(tmp_path: Path) -> None:
    folder = tone_task(tmp_path / "tasks", train=33, test=21, noise=0.1)
    name = "semcodec@50:both"
    (real,) = run_real(tmp_path / "work", [name], [folder])
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
        run_real(tmp_path, ["logmel"], [])
