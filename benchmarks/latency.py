"""Latency from microphone to loudspeaker: ``codec encode --stream | codec decode --stream``, fed in real time."""

from __future__ import annotations

import json as jsonlib
import subprocess
import sys
import threading
import time
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import IO

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.speed import Row, synthetic
from codec.errors import CodecError
from codec.hub import load_own
from codec.model import Codec
from codec.streaming import LOW_LATENCY

BLOCK_SECONDS = 0.02
"""What a sound card hands over at a time."""
WARM_SECONDS = 2
"""Sent at once before the clock runs: when some of it has come back, both processes have loaded their model."""


@dataclass
class Arrivals:
    """When samples came back.

    Attributes:
        times: of every reading, in seconds.
        totals: samples until then.
    """

    times: list[float] = field(default_factory=list)
    totals: list[int] = field(default_factory=list)

    def read(self, source: IO[bytes]) -> None:
        """Takes everything, until the end."""
        total = 0
        while data := source.read1(1 << 16):  # type: ignore[attr-defined]
            total += len(data)
            self.times.append(time.perf_counter())
            self.totals.append(total // 2)

    def of(self, sample: int) -> float:
        """When a sample, by its number, was there."""
        return self.times[bisect_left(self.totals, sample + 1)]


def main(model: str, seconds: int, json: bool) -> None:
    """Measures, and prints a table, or JSON lines.

    Raises:
        CodecError: no such model, or a process ended early.
    """
    codec = load_own(model)
    declared = 1000 * declared_latency(codec)
    late = 1000 * end_to_end(model, codec.sample_rate, seconds)
    bar = f"declared: {declared:.0f}, a block: {1000 * BLOCK_SECONDS:.0f}, the rest is computation"
    rows = [
        Row("low latency, microphone to loudspeaker, median", float(np.median(late)), "ms", bar),
        Row("low latency, 95 % of samples within", float(np.percentile(late, 95)), "ms", "–"),
        Row("low latency, latest sample", float(late.max()), "ms", "–"),
    ]
    if json:
        for row in rows:
            print(jsonlib.dumps(asdict(row), ensure_ascii=False))
        return
    table = Table("what", "measured", "", title=f"{seconds} s in real time through two processes")
    for row in rows:
        table.add_row(row.what, f"{row.value:.0f} {row.unit}", row.bar)
    Console().print(table)


def declared_latency(codec: Codec) -> float:
    """Seconds from a sample's arrival to its sound, if computing took no time."""
    return codec.stream_encoder(codec.sample_rate, grid=LOW_LATENCY).latency + codec.stream_decoder(grid=LOW_LATENCY).look_ahead


def end_to_end(model: str, sample_rate: int, seconds: int) -> np.ndarray:
    """Seconds between a sample and its sound, for one sample of every block.

    Raises:
        CodecError: a process ended early.
    """
    pcm = np.round(synthetic(WARM_SECONDS + seconds, sample_rate).clip(-1, 1) * 32767).astype("<i2")
    block, warm = round(BLOCK_SECONDS * sample_rate), WARM_SECONDS * sample_rate
    arrivals = Arrivals()
    try:
        with _pipeline(model, sample_rate) as (microphone, loudspeaker):
            reader = threading.Thread(target=arrivals.read, args=(loudspeaker,), daemon=True)
            reader.start()
            _send(microphone, pcm[:warm])
            while not arrivals.totals:
                if not reader.is_alive():
                    raise CodecError("codec --stream ended before it gave any sound")
                time.sleep(0.01)
            time.sleep(1)  # what else the warming up gives
            started = time.perf_counter()
            for at in range(warm, len(pcm) - block + 1, block):
                time.sleep(max(0.0, started + (at - warm + block) / sample_rate - time.perf_counter()))
                _send(microphone, pcm[at : at + block])
            microphone.close()
            reader.join()
    except BrokenPipeError as error:
        raise CodecError("codec --stream ended early") from error
    # The last samples come early, since the end needs no look-ahead.
    samples = np.arange(warm, len(pcm) - sample_rate, block)
    return np.array([arrivals.of(sample) - started - (sample - warm) / sample_rate for sample in samples.tolist()])


def _send(target: IO[bytes], samples: np.ndarray) -> None:
    target.write(samples.tobytes())
    target.flush()


@contextmanager
def _pipeline(model: str, sample_rate: int) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """The two ends of a pipe through both processes."""
    command = [sys.executable, "-m", "codec"]
    live = ["--stream", "-", "--low-latency", "--model", model, "--raw"]
    with (
        subprocess.Popen(
            [*command, "encode", *live, f"{sample_rate}:1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as encoder,
        subprocess.Popen([*command, "decode", *live], stdin=encoder.stdout, stdout=subprocess.PIPE) as decoder,
    ):
        assert encoder.stdin
        assert encoder.stdout
        assert decoder.stdout
        encoder.stdout.close()  # or else the encoder would not learn that the decoder has ended
        try:
            yield encoder.stdin, decoder.stdout
        finally:
            encoder.kill()
            decoder.kill()
