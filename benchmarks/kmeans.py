"""k-means beside other libraries: the same points, first centroids and passes, one process each; time, inertia, peak memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from codec.atomic import atomic_write
from codec.provenance import code_version

Size = tuple[int, int, int]
"""Points, their width, clusters."""
MODES = 4096
"""Modes of the mixture that points are drawn from, like the crowded feature space of an audio encoder."""
MOST_BYTES = 8 << 30
"""That a library may take for what it compares; beyond it a machine would be brought down to learn nothing."""
UNFINISHED = ".unfinished"
COLUMNS = ("library", "seconds", "ratio", "inertia", "ratio", "memory beyond the points")


def mixture(n: int, dim: int, seed: int = 0) -> np.ndarray:
    """``(n, dim)`` float32 points around `MODES` centres of unequal weight."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((MODES, dim)).astype(np.float32)
    weights = rng.dirichlet(np.full(MODES, 0.5))
    points = centres[rng.choice(MODES, n, p=weights)]
    for row in range(0, n, 10_000):  # in pieces: the peak memory of what is measured must not hide below that of this
        points[row : row + 10_000] += 0.7 * rng.standard_normal(points[row : row + 10_000].shape, dtype=np.float32)
    return points


def start(points: np.ndarray, k: int) -> np.ndarray:
    """First centroids: points drawn at random, the same for every library."""
    return points[np.sort(np.random.default_rng(1).choice(len(points), k, replace=False))].copy()


def _ours(points: np.ndarray, first: np.ndarray, iterations: int) -> np.ndarray:
    import torch

    from quantizers.kmeans import kmeans

    return kmeans(points, len(first), iterations, init=torch.from_numpy(first)).centroids.numpy()


def _faiss(points: np.ndarray, first: np.ndarray, iterations: int) -> np.ndarray:
    import faiss
    import torch

    from quantizers.backends import faiss_kmeans

    faiss.omp_set_num_threads(os.cpu_count() or 1)
    return faiss_kmeans(torch.from_numpy(points), torch.from_numpy(first), iterations).numpy()


def _sklearn(points: np.ndarray, first: np.ndarray, iterations: int) -> np.ndarray:
    from sklearn.cluster import KMeans

    model = KMeans(len(first), init=first, n_init=1, max_iter=iterations, tol=0, algorithm="lloyd")
    return np.asarray(model.fit(points).cluster_centers_)


class _EnoughError(Exception):
    """Ends a library's run after the wanted number of passes, and carries its centroids."""


def _kmeans_pytorch(points: np.ndarray, first: np.ndarray, iterations: int) -> np.ndarray:
    """Its release 0.3 draws centroids itself and goes on until they stand still: what draws them is told ours, and it is left
    where it begins the pass after the last one. All that it computes is its own.
    """
    import torch

    from quantizers.backends import pytorch_kmeans, starts_where_it_is_told

    library = import_module("kmeans_pytorch")
    needed = 2 * 4 * points.size * len(first)
    if needed > MOST_BYTES:
        raise MemoryError(f"all {len(points):,} × {len(first):,} differences at once take {needed / 1e9:.0f} GB")
    if starts_where_it_is_told(library):
        return pytorch_kmeans(torch.from_numpy(points), torch.from_numpy(first), iterations).numpy()
    left, distances = iterations, library.pairwise_distance

    def counted(points: torch.Tensor, centroids: torch.Tensor) -> torch.Tensor:
        nonlocal left
        if not left:
            raise _EnoughError(centroids.numpy())
        left -= 1
        found: torch.Tensor = distances(points, centroids)
        return found

    told = mock.patch.multiple(library, initialize=lambda *_: torch.from_numpy(first.copy()), pairwise_distance=counted)
    try:
        with told:
            library.kmeans(torch.from_numpy(points), len(first), tol=0)
    except _EnoughError as enough:
        return np.asarray(enough.args[0])
    raise RuntimeError("kmeans-pytorch stopped by itself")


LIBRARIES: dict[str, Callable[[np.ndarray, np.ndarray, int], np.ndarray]] = {
    "semcodec": _ours,
    "faiss-cpu": _faiss,
    "scikit-learn": _sklearn,
    "kmeans-pytorch": _kmeans_pytorch,
}


def measure(library: str, n: int, dim: int, k: int, iterations: int) -> dict[str, Any]:
    """Runs one library in this process; returns seconds, inertia and, where the system tells, peak memory beyond the points."""
    import torch

    from eval.reconstruction.cost import measure as cost_of
    from quantizers.nearest import nearest

    points = mixture(n, dim)
    first = start(points, k)
    run = LIBRARIES[library]
    run(points[: 2 * k], first, 1)  # imports and thread pools are not what is compared
    cost = cost_of(lambda: run(points, first, iterations))
    sample = torch.from_numpy(points[:: max(1, n // 100_000)])
    inertia = nearest(sample, torch.from_numpy(np.ascontiguousarray(cost.value, np.float32)))[1].mean().item()
    size = {"n": n, "dim": dim, "k": k, "iterations": iterations}
    memory = None if cost.memory is None else cost.memory / 1e6
    return {"library": library, **size, "seconds": cost.seconds, "inertia": inertia, "peak_mb": memory}


def compare(libraries: list[str], sizes: list[Size], iterations: int, output: Path | None) -> None:
    """Runs every library on every size in a process of its own, prints a table of each, and writes JSON lines.

    What the output held before is replaced: all of it is of one run. Until that ends, its rows are beside it under its name and
    `UNFINISHED`; a run that was stopped goes on from there, if ours is still the same code.
    """
    unfinished = output.with_name(output.name + UNFINISHED) if output else None
    code = code_version("quantizers")
    before = _found(unfinished, code) if unfinished else {}
    rows: list[dict[str, Any]] = []
    for size in sizes:
        for library in libraries:
            rows.append(before.get((library, *size, iterations)) or _run(library, size, iterations))
            if unfinished:
                unfinished.parent.mkdir(parents=True, exist_ok=True)
                _write(unfinished, [{"code": code}, *rows])
        shown = Table(*COLUMNS, title=heading(rows[-1]))
        for cells in lines(rows[-len(libraries) :]):
            shown.add_row(*map(escape, cells))
        Console().print(shown)
    if output and unfinished:
        _write(output, rows)
        unfinished.unlink()


def _found(unfinished: Path, code: str) -> dict[tuple[Any, ...], dict[str, Any]]:
    """What a run of this code found before it was stopped; what failed is tried again."""
    lines = unfinished.read_text("utf-8").splitlines() if unfinished.is_file() else []
    about, *rows = map(json.loads, lines or ["{}"])
    if about.get("code") != code:
        return {}
    return {tuple(row[key] for key in ("library", "n", "dim", "k", "iterations")): row for row in rows if "failed" not in row}


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    with atomic_write(path) as handle:
        handle.write("".join(json.dumps(row) + "\n" for row in rows).encode())


def _run(library: str, size: Size, iterations: int) -> dict[str, Any]:
    words = [library, *map(str, (*size, iterations))]
    done = subprocess.run([sys.executable, "-m", "benchmarks.kmeans", *words], capture_output=True, text=True, encoding="utf-8")
    if not done.returncode:
        return dict(json.loads(done.stdout.splitlines()[-1]))
    said = (done.stderr.strip().splitlines() or ["killed"])[-1]
    return {"library": library, **dict(zip(("n", "dim", "k"), size, strict=True)), "iterations": iterations, "failed": said}


def heading(row: dict[str, Any]) -> str:
    """What the rows of one size have in common."""
    return f"{row['n']:,} × {row['dim']}, {row['k']:,} clusters, {row['iterations']} passes"


def lines(rows: list[dict[str, Any]]) -> list[list[str]]:
    """Cells of the rows of one size, each beside the first one."""
    first = rows[0]
    return [_cells(row, first) for row in rows]


def _cells(row: dict[str, Any], first: dict[str, Any]) -> list[str]:
    if "failed" in row:
        return [row["library"], f"failed: {row['failed']}", *[""] * 4]
    ratios = [
        f"{row[key] / first[key]:.{digits}f}" if key in first else "–" for key, digits in (("seconds", 2), ("inertia", 4))
    ]
    memory = "–" if row["peak_mb"] is None else f"{row['peak_mb']:.0f} MB"
    return [row["library"], f"{row['seconds']:.1f}", ratios[0], f"{row['inertia']:.3f}", ratios[1], memory]


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], *map(int, sys.argv[2:]))))
