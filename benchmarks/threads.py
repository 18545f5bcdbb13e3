"""What threads win and lose: inside every operation, or a window each; on a machine that idles, and on one that is busy."""

from __future__ import annotations

import contextlib
import json as jsonlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from unittest.mock import patch

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.speed import synthetic
from codec.hub import load_own
from codec.model import Codec

CLIPS = ((3, 3), (60, 1), (240, 1))
"""Seconds of a clip, and how often it is encoded and decoded for one figure."""
REPEATS = 3
WAYS = ("one thread", "threads inside operations", "a window each")
_LOAD = "import torch; torch.set_num_threads(1); a = torch.randn(512, 512)\nwhile True: a = (a @ a).tanh()"


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes:
        what: was done.
        way: one of `WAYS`; the last is how the codec works.
        threads: of torch.
        busy: processes beside it that never rest.
        load: of the machine before, over a minute: of other work, too.
        seconds: the median.
    """

    what: str
    way: str
    threads: int
    busy: int
    load: float
    seconds: float


def main(model: str, threads: int, busy: int, json: bool) -> None:
    """Measures and prints a table, or JSON lines."""
    threads = threads or os.cpu_count() or 1
    codec = load_own(model)
    rows: list[Row] = []
    with _others(busy):
        for seconds, times in CLIPS:
            for way in WAYS:
                for row in measure(codec, seconds, times, way, threads, busy):
                    rows.append(row)
                    if json:
                        print(jsonlib.dumps(asdict(row)), flush=True)
    if json:
        return
    table = Table("what", *WAYS, title=f"seconds; {threads} threads, {busy} busy processes beside, load {rows[0].load:.1f}")
    for what in dict.fromkeys(row.what for row in rows):
        table.add_row(what, *(f"{row.seconds:.2f}" for row in rows if row.what == what))
    Console().print(table)


def measure(codec: Codec, seconds: int, times: int, way: str, threads: int, busy: int) -> list[Row]:
    """Encoding and decoding one clip in one way."""
    wave, before = synthetic(seconds, codec.sample_rate), torch.get_num_threads()
    load = os.getloadavg()[0]
    torch.set_num_threads(1 if way == WAYS[0] else threads)
    inside = patch("codec.networks.engine.side_by_side", lambda function, items: [function(item) for item in items])
    try:
        with inside if way == WAYS[1] else contextlib.nullcontext():
            tokens = codec.encode(wave, codec.sample_rate)
            work: dict[str, Callable[[], object]] = {
                "encode": lambda: codec.encode(wave, codec.sample_rate),
                "decode": lambda: codec.decode(tokens),
            }
            return [
                Row(f"{name} {times} × {seconds} s", way, torch.get_num_threads(), busy, load, _median(function, times))
                for name, function in work.items()
            ]
    finally:
        torch.set_num_threads(before)


def _median(function: Callable[[], object], times: int) -> float:
    spent = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        for _ in range(times):
            function()
        spent.append(time.perf_counter() - started)
    return statistics.median(spent)


@contextlib.contextmanager
def _others(count: int) -> Iterator[None]:
    """Starts other processes that compute without end."""
    running = [subprocess.Popen([sys.executable, "-c", _LOAD]) for _ in range(count)]
    try:
        if running:
            time.sleep(5)  # until they have started
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()
