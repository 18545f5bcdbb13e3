"""A short training on real audio, for tests of its stages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from codec.audio.io import read_audio, resample
from codec.cli import main
from codec.data import Corpus
from tests.conftest import DATA, TINY
from train.crops import FRAME, cached_entries


def cut_clips(folder: Path) -> None:
    """The bundled recordings, cut into clips of 0.6 s (sources are files, so splits get some of each)."""
    for name, domain in (("speech", "speech"), ("music", "music")):
        wave, rate = read_audio(DATA / f"{name}.flac")
        mono = resample(wave.mean(0, keepdims=True), rate, 16_000)[0]
        (folder / domain).mkdir(parents=True)
        for index, start in enumerate(range(0, len(mono) - 9_600, 2_400)):
            soundfile.write(folder / domain / f"{index}.wav", mono[start : start + 9_600], 16_000)


SHORT = {"batch_size": 4, "crop_frames": 32, "learning_rate": 0.01}


def small_config(root: Path, audio: Path) -> dict[str, Any]:
    """Of a training that takes seconds."""
    return {
        "root": str(root),
        "precision": "fp32",
        "model": TINY.model_dump(mode="json"),
        "corpus": {"sources": [str(audio)], "copies": {"speech": 1}},
        "ssl": {
            "teacher_components": 8,
            "spectrum_components": 4,
            "batch_size": 4,
            "crop_frames": 32,
            "steps": 60,
            "save_every": 20,
        },
        "kmeans": {"iterations": 4},
        "tracker": {**SHORT, "steps": 60, "save_every": 30, "weights": {"speech": 1.0}},
        "vocoder": {**SHORT, "steps": 60, "save_every": 30, "weights": {"speech": 0.5, "music": 0.5}},
        "codec": {**SHORT, "steps": 100, "save_every": 50, "stack_shares": [0.5, 0.3, 0.2]},
    }


def run(stage: str, root: Path, *overrides: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["train", stage, "--config", str(root / "config.yaml"), *overrides])
    assert not caught.value.code, stage


def fake_teacher(run_folder: Path) -> None:
    """In place of a speech recogniser's features: random projections of the waveform's frames, in the same files."""
    corpus, rng = Corpus(run_folder / "corpus"), np.random.default_rng(0)
    projection = rng.standard_normal((FRAME // 2 + 1, 8)) / 8
    rows = []
    for entry in cached_entries(corpus):
        wave = corpus.wave(entry)
        frames = np.pad(wave, (0, -len(wave) % FRAME)).reshape(-1, FRAME)
        rows.append(np.log10(np.abs(np.fft.rfft(frames)) + 1e-3) @ projection)
    features = np.concatenate(rows)
    (run_folder / "teacher").mkdir()
    features.astype("<f2").tofile(run_folder / "teacher" / "features.f16")
    (run_folder / "teacher" / "features.json").write_text(json.dumps({"n_components": 8, "frames": len(features)}))


def metrics(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def link_stages(trained: Path, root: Path, *without: str) -> None:
    """What stages left, but for some, for another root."""
    for name in {"corpus", "teacher", "ssl", "features", "codebooks", "pitch", "tracker", "vocoder", "codec"} - {*without}:
        (root / name).symlink_to(trained / "run" / name)


TORCHRUN = ("torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m")
ACCELERATE = ("accelerate.commands.launch", "--cpu", "--num_processes", "1", "-m")


def launch(words: list[str], trained: Path, root: Path, launcher: tuple[str, ...]) -> str:
    """What ``codec train`` prints under a launcher; `run` does without."""
    command = [sys.executable, "-m", *launcher, "codec", "train", *words, "--config", str(trained / "config.yaml")]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run([*command, f"root={root}"], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout
