"""Corpora of short recordings, and a way to tokenise them with the tiny model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from codec.tokenize.command import Options, tokenize


def write_noise(path: Path, seconds: float, sample_rate: int = 16_000, channels: int = 1, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    wave = np.random.default_rng(seed).standard_normal((round(seconds * sample_rate), channels)) * 0.1
    soundfile.write(path, wave, sample_rate)


@pytest.fixture
def run(tiny_folder: Path) -> Callable[..., dict[str, Any]]:
    """Tokenises with the tiny model, in this process if nothing else is said; returns the manifest."""

    def call(source: Path, output: Path, **options: Any) -> dict[str, Any]:
        given = {"model": str(tiny_folder), "vocab": 32, "workers": 0, "shard_rows": 4} | options
        return tokenize(Options(source, output, **given))

    return call


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, but for what tells of time."""
    files = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    return {name: data for name, data in files.items() if not name.endswith(".json")}
