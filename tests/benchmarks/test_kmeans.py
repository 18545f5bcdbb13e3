"""Rows of libraries that are there and of one that is not; no time is asserted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import kmeans
from codec.cli import main


def bench(output: Path, *words: str) -> None:
    sizes = ["--points", "600", "--dim", "4", "--clusters", "8", "--iterations", "2"]
    with pytest.raises(SystemExit) as caught:
        main(["bench", "kmeans", *sizes, "--output", str(output), *words])
    assert not caught.value.code


def test_libraries_find_the_same_and_what_fails_is_said_in_its_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "kmeans_pytorch.py").write_text("raise ImportError('gone [for good]')")  # even where it is installed
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    bench(tmp_path / "rows.jsonl", "--libraries", "semcodec,scikit-learn,kmeans-pytorch")
    ours, theirs = (json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines())
    assert (ours["library"], theirs["library"]) == ("semcodec", "scikit-learn")
    assert (ours["n"], ours["dim"], ours["k"], ours["iterations"]) == (600, 4, 8, 2)
    assert theirs["inertia"] == pytest.approx(ours["inertia"], rel=1e-3)
    printed = capsys.readouterr().out
    assert "failed: ImportError: this k-means backend needs git+https" in " ".join(printed.split())


def test_all_libraries_are_compared_unless_some_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen: list[str] = []
    monkeypatch.setattr(kmeans, "compare", lambda libraries, *sizes: chosen.extend(libraries))
    bench(tmp_path / "rows.jsonl")
    assert chosen == list(kmeans.LIBRARIES)
    with pytest.raises(SystemExit) as caught:
        main(["bench", "kmeans", "--libraries", "semcodec,cuml"])
    assert caught.value.code == 2
    assert "no library cuml; known are semcodec, faiss-cpu" in capsys.readouterr().err
