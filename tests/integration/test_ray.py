"""Tokens on two local Ray workers, one of them killed on the way: the same as undisturbed."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import soundfile

from codec.audio.io import read_audio, resample
from codec.tokenize.command import Options, tokenize
from tests.conftest import DATA

COMPARED = ("rows", "tokenized", "failed", "hours", "tokens", "shards")


def write_manifest(folder: Path, rows: int, seconds: float) -> Path:
    """Segments of one long file, the bundled recordings over and over; no two begin at the same place of a recording."""
    parts = []
    for name in ("speech", "music"):
        wave, rate = read_audio(DATA / f"{name}.flac")
        parts.append(resample(wave.mean(0, keepdims=True), rate, 16_000)[0])
    once = np.concatenate(parts)
    soundfile.write(folder / "long.wav", np.tile(once, -(-round(2 * seconds * 16_000) // len(once)) + 1), 16_000)
    lines = [{"audio": "long.wav", "offset": row * seconds / rows, "duration": seconds, "key": str(row)} for row in range(rows)]
    (folder / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder / "rows.jsonl"


def hash_of(manifest: dict[str, Any]) -> str:
    """One hash of the hashes of all shards' files."""
    return hashlib.sha256(json.dumps([shard["files"] for shard in manifest["shards"]]).encode()).hexdigest()


def busy_workers() -> Iterator[psutil.Process]:
    """Ray workers below this process that are making a shard, each held still while one looks at it."""
    for process in psutil.Process().children(recursive=True):
        try:
            process.suspend()
            if "ray::work" in " ".join(process.cmdline()):
                yield process
            process.resume()
        except psutil.NoSuchProcess:
            continue


class KillOne:
    """Kills a busy worker with SIGKILL as soon as the first shard is done, if there is one."""

    def __init__(self) -> None:
        self.killed: list[int] = []

    def __call__(self, now: object) -> None:
        for process in busy_workers() if not self.killed else ():
            os.kill(process.pid, signal.SIGKILL)
            self.killed.append(process.pid)
            return


@pytest.mark.parametrize(
    ("rows", "seconds", "shard_rows"),
    [pytest.param(32, 8.0, 4, id="minutes"), pytest.param(600, 60.0, 20, id="ten hours", marks=pytest.mark.heavy)],
)
def test_two_ray_workers_with_one_killed(
    rows: int, seconds: float, shard_rows: int, tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("ray")
    source = write_manifest(tmp_path, rows, seconds)

    def run(name: str, progress: Callable[[object], None] = lambda now: None, **options: Any) -> dict[str, Any]:
        started = time.perf_counter()
        given = {"model": str(tiny_folder), "vocab": 32, "shard_rows": shard_rows, "format": "both"} | options
        manifest = tokenize(Options(source, tmp_path / name, **given), progress)
        with capsys.disabled():
            print(
                f"\n{name}: {manifest['tokenized']} rows, {manifest['hours']:.4f} h, {manifest['tokens']} tokens, "
                f"{manifest['failed']} failed, {manifest['last_run']['workers_died']} workers died, "
                f"{time.perf_counter() - started:.0f} s, SHA-256 of all shards {hash_of(manifest)[:16]}"
            )
        return manifest

    undisturbed = run("undisturbed", workers=2)
    kill = KillOne()
    disturbed = run("one killed", kill, workers=2, ray="local")
    assert len(kill.killed) == disturbed["last_run"]["workers_died"] == 1
    assert disturbed["tokenized"] == rows
    assert disturbed["hours"] == pytest.approx(rows * seconds / 3600)
    assert all(disturbed[name] == undisturbed[name] for name in COMPARED)
    names = [
        sorted(path.relative_to(tmp_path / name) for path in (tmp_path / name).rglob("*"))
        for name in ("undisturbed", "one killed")
    ]
    assert names[0] == names[1]
