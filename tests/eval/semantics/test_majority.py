"""The answer that looks at no audio, beside what was probed."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from eval.semantics.interface import Embedder
from eval.semantics.probe import find_tasks, run_probes
from eval.semantics.scores import MAJORITY, read_results
from tests.eval.semantics.folders import Spectrum, tone_task


def spectrum() -> Embedder:
    return cast(Embedder, Spectrum())


def test_the_majority_class_is_corrected_whatever_was_asked(tmp_path: Path) -> None:
    tone_task(tmp_path / "tasks", "tones")
    folders = find_tasks(tmp_path / "tasks")
    results = run_probes(["spectrum"], lambda _: spectrum(), folders, ["knn"], ["compatible"], tmp_path / "out", 1)
    assert [(s.embedder, s.mode) for s in results.scores] == [("spectrum", "compatible"), (MAJORITY, "corrected")]


def test_a_task_that_is_gone_by_then_has_no_majority_class_and_ends_no_run(tmp_path: Path) -> None:
    gone = tone_task(tmp_path / "tasks", "a_gone") / "wds-audio-test-000000.tar"
    tone_task(tmp_path / "tasks", "b_there")

    def load(name: str) -> Embedder:
        if name == "second":
            gone.unlink()
        return spectrum()

    folders = find_tasks(tmp_path / "tasks")
    results = run_probes(["first", "second"], load, folders, ["knn"], ["corrected"], tmp_path / "out", 1)
    assert [s.task for s in results.scores if s.embedder == MAJORITY] == ["b_there"]
    assert [(f.suite, f.task, f.embedder) for f in results.failures] == [
        ("tasks", "a_gone", "spectrum"),
        ("tasks", "a_gone", MAJORITY),
    ]
    assert results.failures[1].reason == results.failures[0].reason
    assert results.failures[1].reason.startswith("task a_gone: ")
    assert read_results([tmp_path / "out" / "probe.json"]).failures == results.failures
