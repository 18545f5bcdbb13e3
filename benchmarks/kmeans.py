"""k-means beside other libraries: the same points and first centroids, one process each; time, inertia, peak memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

MODES = 4096
"""Modes of the mixture that points are drawn from, like the crowded feature space of an audio encoder."""


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


def _kmeans_pytorch(points: np.ndarray, first: np.ndarray, iterations: int) -> np.ndarray:
    import torch

    from quantizers.backends import pytorch_kmeans

    return pytorch_kmeans(torch.from_numpy(points), torch.from_numpy(first), iterations).numpy()


LIBRARIES: dict[str, Callable[[np.ndarray, np.ndarray, int], np.ndarray]] = {
    "semcodec": _ours,
    "faiss-cpu": _faiss,
    "scikit-learn": _sklearn,
    "kmeans-pytorch": _kmeans_pytorch,
}


def measure(library: str, n: int, dim: int, k: int, iterations: int) -> dict[str, float | str]:
    """Runs one library in this process; returns seconds, inertia and peak memory beyond the points."""
    import resource

    import torch

    from quantizers.nearest import nearest

    points = mixture(n, dim)
    first = start(points, k)
    run = LIBRARIES[library]
    run(points[: 2 * k], first, 1)  # imports and thread pools are not what is compared
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    centroids = run(points, first, iterations)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    sample = torch.from_numpy(points[:: max(1, n // 100_000)])
    inertia = nearest(sample, torch.from_numpy(np.ascontiguousarray(centroids, np.float32)))[1].mean().item()
    size = {"n": n, "dim": dim, "k": k, "iterations": iterations}
    return {"library": library, **size, "seconds": seconds, "inertia": inertia, "peak_mb": peak / 1024}


def compare(libraries: list[str], n: int, dim: int, k: int, iterations: int, output: Path | None) -> None:
    """Runs every library in a process of its own, prints a table with ratios to the first one, and appends JSON lines."""
    table = Table("library", "seconds", "ratio", "inertia", "ratio", "memory beyond the points")
    table.title = f"{n:,} × {dim}, {k} clusters, {iterations} passes"
    base: dict[str, float] = {"seconds": float("nan"), "inertia": float("nan")}
    for library in libraries:
        arguments = [library, *map(str, (n, dim, k, iterations))]
        done = subprocess.run([sys.executable, "-m", "benchmarks.kmeans", *arguments], capture_output=True, text=True)
        if done.returncode:
            table.add_row(library, escape(f"failed: {(done.stderr.strip().splitlines() or ['killed'])[-1]}"))
            continue
        row = json.loads(done.stdout.splitlines()[-1])
        base = row if library == libraries[0] else base
        table.add_row(
            library,
            f"{row['seconds']:.1f}",
            f"{row['seconds'] / base['seconds']:.2f}",
            f"{row['inertia']:.4f}",
            f"{row['inertia'] / base['inertia']:.4f}",
            f"{row['peak_mb']:.0f} MB",
        )
        if output:
            output.parent.mkdir(parents=True, exist_ok=True)
            with output.open("a") as handle:
                handle.write(json.dumps(row) + "\n")
    Console().print(table)


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], *map(int, sys.argv[2:]))))
