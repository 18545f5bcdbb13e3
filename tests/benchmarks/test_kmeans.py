"""Rows of libraries that are there and of one that is not; no time is asserted."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import kmeans, tables
from codec.cli import main


def bench(output: Path, *words: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["bench", "kmeans", "--sizes", "600x4x8,100x3x4", "--iterations", "2", "--output", str(output), *words])
    assert not caught.value.code


def test_libraries_find_the_same_and_what_fails_is_said_in_its_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "kmeans_pytorch.py").write_text("raise ImportError('gone [for good]')")  # even where it is installed
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    rows = tmp_path / "kmeans.jsonl"
    bench(rows, "--libraries", "semcodec,scikit-learn,kmeans-pytorch")
    ours, theirs, failed, *smaller = (json.loads(line) for line in rows.read_text("utf-8").splitlines())
    assert (ours["library"], theirs["library"]) == ("semcodec", "scikit-learn")
    assert (ours["n"], ours["dim"], ours["k"], ours["iterations"]) == (600, 4, 8, 2)
    assert theirs["inertia"] == pytest.approx(ours["inertia"], rel=1e-3)
    assert failed["failed"] == "ImportError: gone [for good]"
    assert [(row["library"], row["n"]) for row in smaller] == [(row["library"], 100) for row in (ours, theirs, failed)]
    printed = " ".join(capsys.readouterr().out.split())
    assert "600 × 4, 8 clusters, 2 passes" in printed
    assert "failed: ImportError: gone [for good]" in printed
    monkeypatch.setattr(tables, "RESULTS", tmp_path)
    header, _, *lines = tables.kmeans().splitlines()
    assert [line.split(" | ")[1] for line in lines] == ["semcodec", "scikit-learn", "kmeans-pytorch"] * 2
    assert {line.count("|") for line in (header, *lines)} == {header.count("|")}


def test_a_run_that_was_stopped_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, asked = tmp_path / "kmeans.jsonl", []
    rows.write_text("what another run found\n")
    sizes = [(600, 4, 8), (100, 3, 4)]

    def run(library: str, size: kmeans.Size, iterations: int) -> dict[str, object]:
        asked.append((library, size))
        if len(asked) == 3:
            raise KeyboardInterrupt
        found = {"library": library, **dict(zip(("n", "dim", "k"), size, strict=True)), "iterations": iterations}
        return found | ({"failed": "for once"} if len(asked) == 2 else {"seconds": 1.0, "inertia": 2.0, "peak_mb": 3.0})

    monkeypatch.setattr(kmeans, "_run", run)
    with pytest.raises(KeyboardInterrupt):
        kmeans.compare(["semcodec", "faiss-cpu"], sizes, 2, rows)
    assert rows.read_text() == "what another run found\n"
    kmeans.compare(["semcodec", "faiss-cpu"], sizes, 2, rows)
    assert asked[3:] == [("faiss-cpu", sizes[0]), ("semcodec", sizes[1]), ("faiss-cpu", sizes[1])], "the first is known"
    assert len(rows.read_text().splitlines()) == 4
    assert list(tmp_path.iterdir()) == [rows]
    unfinished = tmp_path / "kmeans.jsonl.unfinished"
    unfinished.write_text('{"code": "other"}\n' + rows.read_text())
    kmeans.compare(["semcodec"], sizes[:1], 2, rows)
    assert asked[6:] == [("semcodec", sizes[0])], "rows of other code are measured anew"
    assert not unfinished.exists()


RELEASE = """
import torch


def initialize(X, num_clusters):
    raise AssertionError


def kmeans(X, num_clusters, distance="euclidean", tol=1e-4, device=torch.device("cpu")):
    state = initialize(X, num_clusters)
    while True:
        codes = pairwise_distance(X, state).argmin(1)
        before = state.clone()
        for index in range(num_clusters):
            state[index] = X[codes == index].mean(0)
        if (state - before).square().sum() < tol:
            return codes, state


def pairwise_distance(data1, data2, device=torch.device("cpu")):
    return ((data1.unsqueeze(1) - data2.unsqueeze(0)) ** 2.0).sum(-1)
"""
"""What kmeans-pytorch 0.3 does, in its order and by its names."""


def test_the_release_of_kmeans_pytorch_starts_and_stops_where_others_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "kmeans_pytorch.py").write_text(RELEASE)
    monkeypatch.syspath_prepend(str(tmp_path))
    points = kmeans.mixture(500, 4)
    first = kmeans.start(points, 8)
    for passes in (1, 7):
        theirs, ours = (kmeans.LIBRARIES[name](points, first, passes) for name in ("kmeans-pytorch", "semcodec"))
        np.testing.assert_allclose(theirs, ours, atol=1e-4)
    monkeypatch.setattr(kmeans, "MOST_BYTES", 100_000)
    with pytest.raises(MemoryError, match="500 × 8 differences at once take 0 GB"):
        kmeans.LIBRARIES["kmeans-pytorch"](points, first, 1)


@pytest.mark.parametrize("sizes", ["100x4", "100x4x80", "axbxc", "100x0x4"])
def test_sizes_that_are_none_are_refused(sizes: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["bench", "kmeans", "--sizes", sizes])
    assert caught.value.code == 2
    assert f"--sizes {sizes}: " in capsys.readouterr().err


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
