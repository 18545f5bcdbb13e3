"""Streams that never seem to end: memory must stay where it was after the first minutes."""

import io
import sys
from pathlib import Path

import numpy as np
import pytest

from codec.bitstream import ContainerReader
from codec.model import Codec
from codec.pipes import PcmFormat, decode_stream, encode_stream

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
@pytest.mark.parametrize("hours", [0.4, pytest.param(10, marks=pytest.mark.heavy)])
def test_a_long_stream_stays_flat(tiny: Codec, tmp_path, hours: float) -> None:
    size = round(hours * 60) * MINUTE
    source = Pipe(size)
    with (tmp_path / "long.sct").open("wb") as sink:
        encode_stream(tiny, source, sink, PcmFormat.parse("16000"))
    assert max(source.seen) - source.seen[0] < 40e6
    with (tmp_path / "long.sct").open("rb") as container:
        reader = ContainerReader(container)
        frames = sum(reader.skim())
    assert reader.samples == size // 2
    assert frames == size // 2 // 640
    back = Counter(watch=True)
    with (tmp_path / "long.sct").open("rb") as container:
        decode_stream(tiny, container, back, raw=True)
    assert back.size == size
    assert max(back.seen) - back.seen[0] < 40e6
