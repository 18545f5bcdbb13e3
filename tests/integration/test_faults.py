"""Killed processes, full disks, read-only outputs: nothing lost, nothing twice, nothing half written."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import soundfile

from codec.cli import main
from codec.container.bitstream import read
from codec.tokenize.command import Options, tokenize
from codec.tokenize.dataset import TokenDataset
from tests.faults import codec, in_small_folder, kill_when


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 recordings of 5 s, four of them different."""
    folder = tmp_path_factory.mktemp("corpus")
    for number in range(120):
        path = folder / f"{number:03d}.wav"
        if number < 4:
            soundfile.write(path, np.random.default_rng(number).standard_normal(80_000) * 0.1, 16_000)
        else:
            os.link(folder / f"{number % 4:03d}.wav", path)
    return folder


def options(tiny_folder: Path) -> dict[str, Any]:
    return {"model": str(tiny_folder), "vocab": 32, "shard_rows": 10, "workers": 0}


@pytest.fixture(scope="module")
def undisturbed(corpus: Path, tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return tokenize(Options(corpus, tmp_path_factory.mktemp("whole") / "out", **options(tiny_folder)))


def same(manifest: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(manifest[name] == other[name] for name in ("rows", "tokenized", "failed", "hours", "tokens", "shards"))


def run_codec(*words: object) -> None:
    with pytest.raises(SystemExit) as caught:
        main([str(word) for word in words])
    assert not caught.value.code


def test_a_killed_folder_encode_goes_on(corpus: Path, tiny_folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    words = ["encode", corpus, "-o", output, "--model", tiny_folder, "--vocab", 32]

    def half_written() -> bool:
        return output.is_dir() and len(list(output.glob("[!.]*.sct"))) > 3 and bool(list(output.glob(".codec-*")))

    kill_when(codec(*words), half_written)
    made = {path: path.stat().st_mtime_ns for path in output.glob("[!.]*.sct")}
    assert 3 < len(made) < 120
    for path in made:
        assert read(path).lengths.tolist() == [80_000]
    run_codec(*words)
    assert sorted(path.stem for path in output.iterdir()) == [f"{number:03d}" for number in range(120)]
    assert all(path.stat().st_mtime_ns == before for path, before in made.items())
    for path in output.iterdir():
        assert path.read_bytes() == (output / f"{int(path.stem) % 4:03d}.sct").read_bytes()


def test_a_killed_tokenize_goes_on(corpus: Path, tiny_folder: Path, undisturbed: dict[str, Any], tmp_path: Path) -> None:
    output = tmp_path / "out"
    words = ["tokenize", corpus, "-o", output, "--model", tiny_folder, "--vocab", 32, "--shard-rows", 10, "--workers", 1]
    kill_when(codec(*words), lambda: len(list((output / "shards").glob("[!.]*.json"))) > 1)
    done = {path.name for path in (output / "shards").glob("[!.]*.json")}
    assert 1 < len(done) < 12
    assert not (output / "manifest.json").exists()
    (output / "shards" / ".codec-of-another-machine").touch()
    resumed = tokenize(Options(corpus, output, **options(tiny_folder)))
    assert same(resumed, undisturbed)
    assert resumed["last_run"]["tokens"] == resumed["tokens"] * (12 - len(done)) // 12
    left = {path.name for path in output.rglob(".*")}
    assert left == {".codec-of-another-machine"}
    assert sorted(item["key"] for item in TokenDataset(output)) == [f"{number:03d}" for number in range(120)]


def test_a_killed_worker_is_replaced(corpus: Path, tiny_folder: Path, undisturbed: dict[str, Any], tmp_path: Path) -> None:
    killed: list[int] = []

    def kill_one(now: object) -> None:
        if not killed:
            workers = [p for p in psutil.Process().children() if "spawn_main" in " ".join(p.cmdline())]
            workers[-1].kill()
            killed.append(workers[-1].pid)

    manifest = tokenize(Options(corpus, tmp_path / "out", **options(tiny_folder) | {"workers": 2}), kill_one)
    assert manifest["last_run"]["workers_died"] == len(killed) == 1
    assert same(manifest, undisturbed)


def commands(corpus: Path, tiny_folder: Path, output: Path) -> dict[str, list[str]]:
    model = ["--model", tiny_folder, "--vocab", 32]
    return {
        "encode": codec("encode", corpus, "-o", output / "out", *model),
        "tokenize": codec("tokenize", corpus, "-o", output / "out", *model, "--workers", 0, "--shard-rows", 60),
    }


@pytest.mark.parametrize("name", ["encode", "tokenize"])
def test_a_full_disk(name: str, corpus: Path, tiny_folder: Path, tmp_path: Path) -> None:
    """The disk has room for the first files, not for all."""
    done = in_small_folder(commands(corpus, tiny_folder, tmp_path)[name], tmp_path, "16k")
    assert done.returncode == 2, done.stderr
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    listing = done.stdout.splitlines()[-1]
    assert ".codec-" not in listing
    assert ("000.sct" if name == "encode" else "plan.json") in listing
    assert "manifest.json" not in listing


@pytest.mark.parametrize("name", ["encode", "tokenize"])
def test_a_read_only_output(name: str, corpus: Path, tiny_folder: Path, tmp_path: Path) -> None:
    done = in_small_folder(commands(corpus, tiny_folder, tmp_path)[name], tmp_path, read_only=True)
    assert done.returncode == 2
    assert "Read-only file system" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_shard_that_does_not_fit_is_made_once_there_is_room(
    corpus: Path, tiny_folder: Path, undisturbed: dict[str, Any], tmp_path: Path
) -> None:
    """Without mounting anything: no file may grow beyond 2 KB, which a shard needs and a plan does not."""
    words = ["tokenize", corpus, "-o", tmp_path / "out", "--model", tiny_folder, "--vocab", 32, "--workers", 0]
    limit: Callable[[], None] = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2048, 2048))  # noqa: E731
    done = subprocess.run(codec(*words, "--shard-rows", 10), preexec_fn=limit, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith("File too large")
    assert not list((tmp_path / "out" / "shards").iterdir())
    assert same(tokenize(Options(corpus, tmp_path / "out", **options(tiny_folder))), undisturbed)
