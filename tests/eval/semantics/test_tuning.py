from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from codec.errors import CodecError
from eval.semantics.cli import app
from eval.semantics.embeddings import open_embedder
from eval.semantics.history import digest_of_task
from eval.semantics.probe import find_tasks, run_probes
from eval.semantics.scores import MAJORITY
from eval.semantics.tuning import Tuning, tune
from tests.eval.semantics.folders import flac, tone, tone_task, write_tar


def test_labels_are_learned_and_only_features_change(tiny_folder: Path, tmp_path: Path) -> None:
    folder = tone_task(tmp_path / "tasks")
    seen: list[float] = []
    settings = Tuning(steps=60, batch_size=6, learning_rate=3e-3, every=20)
    for output in ("a", "b"):
        tune(str(tiny_folder), [folder], tmp_path / output, settings, lambda step, value: seen.append(value))
    assert max(seen) > 0.6
    wave = [tone(900, 0.5, 1)]
    names = ("semcodec:features", f"tuned:{tmp_path / 'a'}")
    before, after = (open_embedder(name, tiny_folder).embed(wave, 16_000)[0] for name in names)
    assert before.shape == after.shape
    assert np.abs(before - after).max() > 1e-3
    again = open_embedder(f"tuned:{tmp_path / 'b'}")
    np.testing.assert_array_equal(again.embed(wave, 16_000)[0], after)
    assert again.name == "tuned:b"


def test_a_tuned_model_says_on_what_and_its_scores_there_are_marked(
    tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tone_task(tmp_path / "tasks", "learned")
    tune(str(tiny_folder), [folder], tmp_path / "out", Tuning(steps=2, seed=7))
    told = json.loads((tmp_path / "out/config.json").read_text())["tuned"]
    before = json.loads((tiny_folder / "config.json").read_text())["fingerprint"]
    assert told == {"model": before, "tasks": {"learned": digest_of_task(folder)}, "steps": 2, "seed": 7}
    tone_task(tmp_path / "tasks", "other")
    names = [f"tuned:{tmp_path / 'out'}", f"tuned:{tmp_path / 'out'}|dc"]
    results = run_probes(names, open_embedder, find_tasks(tmp_path / "tasks"), ["knn"], ["corrected"], tmp_path / "r", 1)
    heard = [score for score in results.scores if score.embedder != MAJORITY]
    assert [(score.task, score.learned) for score in heard] == [("learned", True), ("other", False)] * 2
    marked = [line for line in capsys.readouterr().out.splitlines() if "of labels that it was tuned on" in line]
    assert [line.split()[:2] for line in marked] == [["learned", "tuned:out"], ["learned", "tuned:out|dc"]]


def test_what_cannot_be_learned_from(tiny_folder: Path, tmp_path: Path) -> None:
    folder = tone_task(tmp_path / "tasks")
    write_tar(folder / "wds-audio-train-000001.tar", [("odd", flac(tone(99, 1, 1)), {"label": "yodel"})])
    with pytest.raises(CodecError, match=r"task tones: .*odd\.flac: label 'yodel'"):
        tune(str(tiny_folder), [folder], tmp_path / "out", Tuning(steps=1))
    nothing = CliRunner().invoke(app, ["tune", "--on", ",", "-t", str(tmp_path), "-o", str(tmp_path / "out")])
    assert isinstance(nothing.exception, CodecError)


def test_a_log_sees_at_once_what_is_learned(tiny_folder: Path, tmp_path: Path) -> None:
    tone_task(tmp_path / "tasks")
    words = [
        "--on",
        "tones",
        "-t",
        str(tmp_path / "tasks"),
        "-o",
        str(tmp_path / "out"),
        "--steps",
        "1",
        "-m",
        str(tiny_folder),
    ]
    done = CliRunner().invoke(app, ["tune", *words])
    assert done.stderr == "tuning the encoder on tones, 1 steps …\n"
    assert done.stdout.startswith("step 1: ")
