"""A second run into the same folder: what it keeps, what it replaces, and what is said of both."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from codec.errors import CodecError
from eval.semantics.interface import Embedder
from eval.semantics.probe import find_tasks, run_probes
from eval.semantics.scores import MAJORITY, Results, read_results
from tests.eval.semantics.folders import Spectrum, flac, tone, tone_task, write_tar
from tests.eval.semantics.test_probe import score


def probe(root: Path, names: tuple[str, ...], only: tuple[str, ...] = (), version: str = "aa", width: int = 24) -> Results:
    def load(name: str) -> Embedder:
        if name == "none":
            raise CodecError("no weights")
        made = Spectrum()
        made.name, made.version, made.dim = name, version, width  # type: ignore[attr-defined]
        return made  # type: ignore[return-value]

    tasks = find_tasks(root / "tasks", only)
    return run_probes(names, load, tasks, ["knn"], ["corrected"], root / "out", 1)


def kept(root: Path) -> set[tuple[str, str]]:
    read = read_results([root / "out/probe.json"])
    return {(score.embedder, score.task) for score in read.scores if score.embedder != MAJORITY}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("a", "b"):
        tone_task(tmp_path / "tasks", name)
    return tmp_path


def test_earlier_scores_stay_and_every_run_says_of_which_weights_and_clips(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    probe(root, ("one", "none"))
    assert capsys.readouterr().err.splitlines() == [
        "embedder 1 of 2, one, on 2 tasks …",
        "embedder 2 of 2, none, on 2 tasks …",
        "none: no weights",
    ]
    assert probe(root, ("two",), ("a",)).failures == []
    assert kept(root) == {("one", "a"), ("one", "b"), ("two", "a")}
    assert "probe.json: scores of earlier runs stay beside these: one\n" in capsys.readouterr().err
    read = read_results([root / "out/probe.json"])
    assert len({(s.embedder, s.task, s.head) for s in read.scores}) == len(read.scores)
    assert [failure.embedder for failure in read.failures] == ["none"]
    first, second = read.about["runs"]
    assert (first["config"]["embedders"], second["config"]["embedders"]) == ({"one": "aa"}, {"two": "aa"})
    assert first["config"]["tasks"].keys() == {"a", "b"}
    assert second["config"]["tasks"] == {"a": first["config"]["tasks"]["a"]}
    assert {"revision", "packages", "date", "seed", "machine", "data_hash"} <= second.keys()


def test_scores_of_another_model_or_on_other_clips_are_dropped_with_a_word(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    probe(root, ("one", "two"))
    probe(root, ("one",), ("a",), version="bb")
    assert kept(root) == {("one", "a"), ("two", "a"), ("two", "b")}
    assert "2 earlier scores are dropped: of one, which are of another model (aa, now bb)" in capsys.readouterr().err
    write_tar(root / "tasks/a/wds-audio-train-000001.tar", [("more", flac(tone(300, 1, 1)), {"label": "low"})])
    probe(root, ("three",), ("a",))
    assert kept(root) == {("three", "a"), ("two", "b")}
    assert "dropped: on a, which had other clips then" in capsys.readouterr().err


def test_what_fails_now_has_no_score_of_before(root: Path) -> None:
    probe(root, ("one",))
    assert [failure.task for failure in probe(root, ("one",), ("b",), width=3).failures] == ["b"]
    assert kept(root) == {("one", "a")}


def test_files_of_older_versions_are_gone_on_with_and_others_are_not(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Results([score(embedder="logmel"), score(embedder="one")], about={"seed": 1}).write(root / "out/probe.json")
    probe(root, ("one",), ("a",))
    assert kept(root) == {("logmel", "word"), ("one", "a")}
    assert "of one, which do not say of which model they are" in capsys.readouterr().err
    (root / "out/probe.json").write_text(json.dumps([1]))
    with pytest.raises(CodecError, match="not a file of probe results"):
        probe(root, ("one",))
