"""Speed and memory of encoding and decoding, as a user meets them."""

from __future__ import annotations

import json as jsonlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import soundfile
import torch
from rich.console import Console
from rich.table import Table

from codec.baselines import load_tokenizer
from codec.baselines.neural import NeuralCodec
from codec.hub import check_model, load_codec
from codec.protocol import SemanticCodec

T = TypeVar("T")
REAL_TIME = "× real time"
REPEATS = 5
PEERS = {"encodec_24khz@1.5": "≥ 10", "dac_16khz@n=2": "≥ 40"}
"""Published codecs, and how many times faster than each the design wants to be."""


@dataclass(frozen=True)
class Row:
    """One measurement.

    Attributes:
        what: name.
        value: the median.
        unit: of the value.
        bar: what the design asks for.
    """

    what: str
    value: float
    unit: str
    bar: str


def main(model: str, threads: int, hour: bool, json: bool, seconds: int, peers: bool) -> None:
    """Runs everything and prints a table, or JSON lines.

    Raises:
        CodecError: a peer's package is missing, or not a model of our own.
    """
    check_model(model, own=True)
    if threads:
        torch.set_num_threads(threads)
    # First, while this process is small: the peak memory of a child begins with that of its parent.
    whole = start_up(model) + (long_file(model) if hour else [])
    others = {name: load_tokenizer(name, trained_only=False) for name in PEERS} if peers else {}
    own = load_codec(model)
    rows = throughput(own, seconds)
    for name, other in others.items():
        rows += beside(name, other, own, rows, seconds)
    rows += whole
    if json:
        for row in rows:
            print(jsonlib.dumps(asdict(row), ensure_ascii=False))
        return
    table = Table("what", "median", "bar", title=f"{torch.get_num_threads()} threads, fp32, torch {torch.__version__}")
    for row in rows:
        table.add_row(row.what, f"{row.value:.2f} {row.unit}", row.bar)
    Console().print(table)


def throughput(model: SemanticCodec, seconds: int) -> list[Row]:
    """Times real time of one clip at every rate, the two directions apart."""
    wave = synthetic(seconds, model.sample_rate)
    rows = []
    for rate in sorted(model.rates):
        tokens = model.encode(wave, model.sample_rate, rate)
        encode = seconds / _median(lambda rate=rate: model.encode(wave, model.sample_rate, rate))  # type: ignore[misc]
        decode = seconds / _median(lambda tokens=tokens: model.decode(tokens))  # type: ignore[misc]
        rows.append(Row(f"encode {seconds} s at {rate} tokens/s", encode, REAL_TIME, "≥ 40"))
        rows.append(Row(f"decode {seconds} s at {rate} tokens/s", decode, REAL_TIME, "≥ 40"))
    return rows


def beside(name: str, other: NeuralCodec, own: SemanticCodec, rows: list[Row], seconds: int) -> list[Row]:
    """A published codec on the same clip, and how many times faster ours is at its slowest rate.

    Speed does not depend on what the weights are, so random ones do; the row says so. One run after a short one to warm
    up: these networks take minutes.
    """
    wave = synthetic(seconds, own.sample_rate)
    other.decode(other.encode(wave[: own.sample_rate], own.sample_rate))
    encode, tokens = _timed(lambda: other.encode(wave, own.sample_rate))
    decode, _ = _timed(lambda: other.decode(tokens))
    label = name if other.trained else f"{name} (random weights)"
    found = []
    for verb, took in (("encode", encode), ("decode", decode)):
        slowest = min(row.value for row in rows if row.what.startswith(f"{verb} {seconds} s at"))
        found.append(Row(f"{label}: {verb} {seconds} s", seconds / took, REAL_TIME, "–"))
        found.append(Row(f"semcodec, its slowest rate, over {name}: {verb}", slowest * took / seconds, "×", PEERS[name]))
    return found


def start_up(model: str) -> list[Row]:
    """Seconds of whole processes."""
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.wav"
        soundfile.write(clip, synthetic(10, 16_000), 16_000)
        help_seconds = _median(lambda: _run("--help"))
        encode_seconds = _median(lambda: _run("encode", str(clip), "-o", str(clip.with_suffix(".sct")), "-m", model))
    return [
        Row("codec --help, whole process", help_seconds, "s", "< 0.5"),
        Row("codec encode of 10 s, whole process", encode_seconds, "s", "< 4"),
    ]


def long_file(model: str) -> list[Row]:
    """Peak memory of a one-hour file, both ways."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        clip, tokens, back = (Path(folder) / name for name in ("hour.wav", "hour.sct", "back.wav"))
        minute = synthetic(60, 16_000)
        with soundfile.SoundFile(clip, "w", 16_000, 1) as sink:
            for _ in range(60):
                sink.write(minute)
        for verb, arguments in (
            ("encode", ("encode", str(clip), "-o", str(tokens), "-m", model)),
            ("decode", ("decode", str(tokens), "-o", str(back), "-m", model)),
        ):
            started = time.perf_counter()
            peak = _run(*arguments)
            rows.append(Row(f"{verb} 1 h, peak memory", peak / 1e9, "GB", "< 1.2"))
            rows.append(Row(f"{verb} 1 h, whole process", 3600 / (time.perf_counter() - started), REAL_TIME, "≥ 40"))
    return rows


def synthetic(seconds: int, sample_rate: int) -> np.ndarray:
    """Noise with a speech-like envelope; speed does not depend on what is heard."""
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(seconds * sample_rate).astype(np.float32)
    return 0.1 * noise * (1 + np.sin(2 * np.pi * 4 * np.arange(len(noise), dtype=np.float32) / sample_rate))


def _median(work: Callable[[], object]) -> float:
    work()
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


def _run(*arguments: str) -> int:
    """Runs the command line in a process of its own; returns its peak resident memory in bytes."""
    with subprocess.Popen([sys.executable, "-m", "codec", *arguments], stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"codec {' '.join(arguments)} failed with exit code {process.returncode}")
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
