from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from benchmarks.semantics.report import write
from codec.data.recording import Recording
from codec.data.store import Entry, line
from codec.errors import CodecError
from eval.semantics.cli import _embedders, app
from eval.semantics.interface import Embedder
from eval.semantics.probe import find_tasks, run_hear, run_probes
from eval.semantics.scores import MAJORITY, Failure, Score, read_results
from eval.semantics.tasks import instruments
from eval.semantics.tasks.instruments import Note
from tests.eval.semantics.folders import Spectrum, flac, tone, tone_samples, tone_task, write_tar
from tests.eval.semantics.test_hear import hear_folder

STRANGE = ('{"scores": [{"suite": 1}], "failures": [], "about": {}, "tasks": {}}', '{"scores": []}')


def open_spectrum(name: str) -> Embedder:
    if name != "spectrum":
        raise CodecError(f"no embedder {name}")
    return Spectrum()  # type: ignore[return-value]


def score(**changes: object) -> Score:
    basis = Score("tasks", "word", "logmel", "knn", "corrected", "accuracy", 0.25, 100, 300, 100, dim=80)
    return dataclasses.replace(basis, **changes)  # type: ignore[arg-type]


def test_what_fails_is_reported_and_the_rest_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "tasks"
    tone_task(root, "a_good")
    (tone_task(root, "b_broken") / "wds-audio-test-000000.tar").unlink()
    tone_task(root, "c_small", train=6)
    tone_task(root, "d_good")
    results = run_probes(["nothing", "spectrum"], open_spectrum, find_tasks(root), ["knn"], ["corrected"], tmp_path / "out", 1)
    assert [(f.task, f.embedder) for f in results.failures] == [
        ("*", "nothing"),
        ("b_broken", "spectrum"),
        ("c_small", "spectrum"),
    ]
    assert {s.task for s in results.scores if s.head == "knn"} == {"a_good", "d_good"}
    assert {s.task for s in results.scores if s.head == "majority"} == {"a_good", "d_good"}
    assert "b_broken: " in capsys.readouterr().err
    read = read_results([tmp_path / "out" / "probe.json"])
    assert read.tasks["a_good"] == {"classes": 3, "source": "synthetic", "held_out": "seeds", "seen": ""}
    assert (read.scores, read.failures) == (results.scores, results.failures)


def no_split(folder: Path) -> None:
    (folder / "wds-audio-valid-000000.tar").unlink()


def strange_class(folder: Path) -> None:
    write_tar(folder / "wds-audio-test-000001.tar", [("odd", flac(tone(99, 1, 1)), {"label": "yodel"})])


def no_audio(folder: Path) -> None:
    write_tar(folder / "wds-audio-train-000001.tar", [("odd", b"no audio", {"label": "low"})])


def other_rate(folder: Path) -> None:
    write_tar(folder / "wds-audio-train-000001.tar", [("odd", flac(tone(99, 1, 1), 8000), {"label": "low"})])


def nine_clips(folder: Path) -> None:
    write_tar(folder / "wds-audio-train-000000.tar", tone_samples("train", 9))


@pytest.mark.parametrize(
    ("damage", "file"),
    [
        (no_split, "wds-audio-valid-*.tar"),
        (strange_class, "wds-audio-test-000001.tar: odd.flac"),
        (no_audio, "wds-audio-train-000001.tar: odd.flac"),
        (other_rate, "wds-audio-train-000001.tar: odd.flac"),
        (nine_clips, "9 training clips"),
    ],
)
def test_a_bad_task_is_named_with_its_file_and_the_next_one_is_scored(
    damage: Callable[[Path], None], file: str, tmp_path: Path
) -> None:
    root = tmp_path / "tasks"
    damage(tone_task(root, "a_bad"))
    tone_task(root, "b_good")
    results = run_probes(["spectrum"], open_spectrum, find_tasks(root), ["knn"], ["corrected"], tmp_path / "out", 1)
    assert [f.task for f in results.failures] == ["a_bad"]
    assert results.failures[0].reason.startswith("task a_bad: ")
    assert file in results.failures[0].reason
    assert {s.task for s in results.scores} == {"b_good"}


@pytest.mark.parametrize("wrong", ["shape", "NaN"])
def test_an_encoder_that_fails_on_one_task_is_named_with_the_clip(wrong: str, tmp_path: Path) -> None:
    class Sometimes(Spectrum):
        calls = 0

        def embed(self, waves: Sequence[np.ndarray], sample_rate: int) -> list[np.ndarray]:
            self.calls += 1
            good = super().embed(waves, sample_rate)
            if self.calls > 1:
                return good
            return [v[:, :3] for v in good] if wrong == "shape" else [v * np.nan for v in good]

    root = tmp_path / "tasks"
    for name in ("a", "b"):
        tone_task(root, name)
    made = Sometimes()
    results = run_probes(["spectrum"], lambda _: made, find_tasks(root), ["knn"], ["corrected"], tmp_path / "out", 1)
    (failure,) = results.failures
    assert failure.reason.startswith("task a: spectrum: ")
    assert wrong in failure.reason
    assert "wds-audio-train-000000.tar: train-0.flac" in failure.reason
    assert {s.task for s in results.scores} == {"b"}


@pytest.mark.parametrize("error", [OSError("no space left"), RuntimeError("out of memory"), CodecError("no weights")])
def test_an_encoder_that_cannot_be_opened_ends_no_run(error: Exception, tmp_path: Path) -> None:
    def load(name: str) -> Embedder:
        if name == "bad":
            raise error
        return open_spectrum(name)

    tone_task(tmp_path / "tasks", "a")
    hear_folder(tmp_path / "hear", {"train": 12, "valid": 3, "test": 3})
    ours = run_probes(["bad", "spectrum"], load, find_tasks(tmp_path / "tasks"), ["knn"], ["corrected"], tmp_path / "out", 1)
    assert ours.failures == [Failure("tasks", "*", "bad", str(error))]
    assert {s.embedder for s in ours.scores} == {"spectrum", MAJORITY}
    hear = run_hear(["bad"], load, tmp_path / "hear", tmp_path / "out", 1)
    assert hear.failures == [Failure("hear", "*", "bad", str(error))]


def test_a_head_that_fails_leaves_the_other_its_score(tmp_path: Path) -> None:
    folder = tone_task(tmp_path / "tasks", "small", train=9)
    card = json.loads((folder / "task.json").read_text())
    (folder / "task.json").write_text(json.dumps({**card, "counts": {"train": 3200}}))  # few epochs
    folders = find_tasks(tmp_path / "tasks")
    results = run_probes(["spectrum"], open_spectrum, folders, ["knn", "mlp"], ["corrected", "compatible"], tmp_path / "o", 1)
    assert [(s.head, s.mode) for s in results.scores if s.embedder != MAJORITY] == [("mlp", "corrected"), ("mlp", "compatible")]
    (failure,) = results.failures
    assert failure.reason.startswith("task small: k-NN: 9 training clips")


def test_the_card_must_be_the_folders(tmp_path: Path) -> None:
    folder = tone_task(tmp_path, "one")
    folder.rename(tmp_path / "two")
    results = run_probes(["spectrum"], open_spectrum, find_tasks(tmp_path), ["knn"], ["corrected"], tmp_path / "out", 1)
    assert "describes task 'one'" in results.failures[0].reason


def test_hear_folders(tmp_path: Path) -> None:
    folder = hear_folder(tmp_path, {"train": 12, "valid": 3, "test": 3})
    (folder / "test.json").unlink()
    results = run_hear(["spectrum"], open_spectrum, tmp_path, tmp_path / "out", 1)
    assert results.failures[0].task == "tones-v1-tiny"
    with pytest.raises(CodecError, match="no HEAR task folders"):
        run_hear(["spectrum"], open_spectrum, folder, tmp_path / "out", 1)


def test_exit_codes_and_json(tmp_path: Path) -> None:
    tone_task(tmp_path / "tasks", train=12, test=6)
    command = [
        "run",
        "-t",
        str(tmp_path / "tasks"),
        "-o",
        str(tmp_path / "out"),
        "--heads",
        "knn",
        "--modes",
        "corrected",
        "--json",
    ]
    good = CliRunner().invoke(app, [*command, "-c", "logmel"])
    assert good.exit_code == 0, good.output
    rows = [json.loads(line) for line in good.stdout.splitlines()]
    assert [(row["embedder"], row["head"]) for row in rows] == [("logmel", "knn"), ("majority class", "majority")]
    assert CliRunner().invoke(app, [*command, "-c", "logmel,semcodec@50:nonsense"]).exit_code == 1
    for wrong in (["--heads", "tree"], ["--modes", ""], ["-t", str(tmp_path / "nowhere")], ["--only", "other"]):
        assert isinstance(CliRunner().invoke(app, [*command, "-c", "logmel", *wrong]).exception, CodecError)
    assert isinstance(CliRunner().invoke(app, ["lm", "-o", "x.json"]).exception, CodecError)
    assert CliRunner().invoke(app, ["lm", "-o", "x.json", "--corpus", str(tmp_path), "--steps", "-5"]).exit_code == 2


def test_names_with_commas_of_their_own() -> None:
    text = "logmel|silence,dc,semcodec@50,vocab=4096:semantic,logmel+semcodec:features"
    expected = ["logmel|silence,dc", "semcodec@50,vocab=4096:semantic", "logmel+semcodec:features"]
    assert _embedders(text) == _embedders(f" {text.replace(',', ' , ')},") == expected


@pytest.mark.parametrize("text", ["", "[]", *STRANGE])
def test_strange_files(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(CodecError, match=r"x\.json"):
        write([tmp_path / "x.json"], tmp_path / "y.md", plots=False)
    with pytest.raises(CodecError, match=r"none\.json"):
        write([tmp_path / "none.json"], tmp_path / "y.md", plots=False)


def test_commands_are_light() -> None:
    heavy = "{'torch', 'numpy', 'matplotlib', 'soundfile'}"
    code = f"import sys, benchmarks.semantics.cli; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_build_command_tells_what_it_made(tmp_path: Path) -> None:
    missing = CliRunner().invoke(app, ["tasks", "--corpus", str(tmp_path), "-o", str(tmp_path / "out"), "--only", "yodel"])
    assert isinstance(missing.exception, CodecError)
    assert "yodel" in str(missing.exception)


def test_a_task_that_cannot_be_built_is_named_and_the_others_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def play(font: Path, program: int, notes: list[Note]) -> list[np.ndarray]:
        return [np.random.default_rng([program, i]).integers(-9_000, 9_000, 64).astype(np.int16) for i in range(len(notes))]

    monkeypatch.setattr(instruments, "render", play)
    entry = Entry(Recording("a.wav", "a", "speech", "mine"), "train", 0, 16_000)
    (tmp_path / "clips.jsonl").write_text(line(entry))
    (tmp_path / "audio.i16").write_bytes(bytes(32_000))
    words = ["tasks", "--corpus", str(tmp_path), "-o", str(tmp_path / "out"), "--only", "taunt,instrument_family"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 1
    assert done.stdout == "instrument_family: 16 classes, 640 train, 128 valid, 256 test\n"
    assert done.stderr.startswith("codec: taunt, from free corpus (hedgewars), cannot be built: the train split is empty")
    assert done.stderr.count("\n") == 1
