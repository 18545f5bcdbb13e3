"""Streams that never seem to end: memory must stay where it was after the first minutes."""

import io
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from codec.audio.pcm import PcmFormat
from codec.container.bitstream import ContainerReader
from codec.model import Codec
from codec.pipes import decode_stream, encode_stream

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
MINUTE = 60 * 16_000 * 2  # bytes
WARM = 10 * MINUTE


def resident() -> int:
    """Bytes in memory now (not the peak)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


class Pipe(io.RawIOBase):
    """A source that gives ``size`` bytes of noise, and looks at memory on the way."""

    def __init__(self, size: int) -> None:
        self.left, self.given, self.seen = size, 0, []
        self._noise = (np.random.default_rng(0).standard_normal(1 << 20) * 3000).astype("<i2").tobytes()

    def read(self, size: int = -1) -> bytes:
        data = self._noise[: min(size, self.left)]
        self.left -= len(data)
        self.given += len(data)
        if self.given >= WARM:
            self.seen.append(resident())
        return data


class Counter(io.RawIOBase):
    """A sink that only counts."""

    def __init__(self, watch: bool = False) -> None:
        self.size, self.watch, self.seen = 0, watch, []

    def write(self, data: bytes) -> int:
        self.size += len(data)
        if self.watch and self.size >= WARM:
            self.seen.append(resident())
        return len(data)


@linux
@pytest.mark.parametrize(
    ("name", "hours"), [("tiny", 0.4), pytest.param("shipped", 10, marks=pytest.mark.heavy, id="default model, ten hours")]
)
def test_a_long_stream_stays_flat(
    name: str, hours: float, request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model: Codec = request.getfixturevalue(name)
    size = round(hours * 60) * MINUTE

    def report(what: str, seen: list[int], started: float) -> None:
        grown, took = (max(seen) - seen[0]) / 1e6, time.perf_counter() - started
        with capsys.disabled():
            print(f"\n{what} {hours} h in {took:.0f} s: {seen[0] / 1e6:.0f} MB after ten minutes, then {grown:.1f} MB more")
        assert grown < 40

    source, started = Pipe(size), time.perf_counter()
    with (tmp_path / "long.sct").open("wb") as sink:
        encode_stream(model, source, sink, PcmFormat.parse("16000"))
    report("encoded", source.seen, started)
    with (tmp_path / "long.sct").open("rb") as container:
        reader = ContainerReader(container)
        frames = sum(reader.skim())
    assert reader.samples == size // 2
    assert frames == size // 2 // 640
    back, started = Counter(watch=True), time.perf_counter()
    with (tmp_path / "long.sct").open("rb") as container:
        decode_stream(model, container, back, raw=True)
    report("decoded", back.seen, started)
    assert back.size == size
