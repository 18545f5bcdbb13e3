"""Parts of containers by time: the same codes as the whole has there, without reading what lies elsewhere."""

from __future__ import annotations

import io
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from codec.container.bitstream import ContainerReader, read, save
from codec.container.entropy import EntropyModel
from codec.container.part import Part
from codec.errors import CodecError, ContainerError
from codec.model import Codec
from codec.tokens import Tokens
from eval.reconstruction.spectral import mel_distance
from tests.codec.container.test_entropy import clips, make_tokens, to_bytes
from tests.codec.container.test_entropy import entropy as entropy_tables

entropy = entropy_tables  # a fixture


class Counted(io.BytesIO):
    """Knows how many bytes were read."""

    count = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.count += len(data)
        return data


class Pipe(Counted):
    """Cannot seek."""

    def seekable(self) -> bool:
        return False

    def seek(self, *_: int) -> int:
        raise io.UnsupportedOperation("seek")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("parts") / "x.sct"


@settings(max_examples=40)
@given(
    frames=st.integers(0, 900),
    missing=st.integers(0, 400),
    frame_rate=st.sampled_from([12.5, 25.0, 50.0]),
    sample_rate=st.sampled_from([8_000, 11_025, 16_000, 44_100, 12_345]),
    times=st.tuples(st.floats(0, 80), st.one_of(st.none(), st.floats(0, 80), st.just(math.inf))),
    coded=st.booleans(),
)
def test_a_part_is_a_slice_of_the_whole(
    file: Path, entropy: EntropyModel, frames: int, missing: int, frame_rate: float, sample_rate: int, times, coded: bool
) -> None:
    codes = torch.randint(0, 12, (2, 2, frames))
    samples = max(0, math.floor(frames * 16_000 / frame_rate * sample_rate / 16_000) - (missing if frames else 0) // 2)
    lengths = torch.full((2,), samples)
    tokens = Tokens(codes, lengths, sample_rate, frame_rate, (64, 12), "0123456789abcdef")
    tokens = replace(tokens, codes=tokens.codes[:, :, : int(tokens.frames.max())])
    tables = entropy if coded and frame_rate == 25 else None
    save(tokens, file, tables)
    start, stop = times
    if stop is not None and stop < start:
        start, stop = stop, start
    assert read(file, start, stop, tables) == read(file, entropy=tables).slice(start, stop)


@pytest.mark.parametrize("coded", [False, True])
@pytest.mark.parametrize("kind", [Counted, Pipe])
def test_only_its_chunks_are_read(entropy: EntropyModel, coded: bool, kind: type[Counted]) -> None:
    tokens = make_tokens(np.stack(clips(0, 1, frames=90_000)))  # an hour
    data = to_bytes(tokens, entropy if coded else None)
    source = kind(data)
    reader = ContainerReader(source, entropy=entropy if coded else None)
    part = Part(1800, 1805)
    reader.only(*part.in_context(tokens.spec, 16_000))
    codes = torch.cat(list(reader.chunks()), 2)
    assert torch.equal(codes, tokens.codes[:, :, 44_950:45_175])
    assert reader.samples is None
    assert reader.covered == 45_175 * 640
    if kind is Counted:
        assert source.count < 8 * 352 + 4 * len(data) / 352, "headers of chunks, and some chunks"


def test_damage_elsewhere_is_not_seen(tmp_path: Path) -> None:
    tokens = make_tokens(np.stack(clips(0, 1, frames=2000)))
    data = bytearray(to_bytes(tokens, None))
    data[len(data) // 2] ^= 1
    (tmp_path / "x.sct").write_bytes(data)
    for start, stop in ((0, 10), (60, None)):
        assert read(tmp_path / "x.sct", start, stop) == tokens.slice(start, stop)
    with pytest.raises(ContainerError, match="chunk 3 is damaged"):
        read(tmp_path / "x.sct", 38, 42)
    (tmp_path / "x.sct").write_bytes(data[: len(data) // 2])  # what was not downloaded yet is not needed
    assert read(tmp_path / "x.sct", 2, 20) == tokens.slice(2, 20)
    with pytest.raises(ContainerError, match="truncated"):
        read(tmp_path / "x.sct", 60, 70)


@pytest.mark.parametrize("times", [(-1, None), (3, 2), (math.nan, None), (1, math.nan)])
def test_impossible_times_are_refused(tmp_path: Path, times) -> None:
    save(make_tokens(np.stack(clips(0, 1, frames=9))), tmp_path / "x.sct")
    with pytest.raises(CodecError, match="in their order"):
        read(tmp_path / "x.sct", *times)


def test_a_part_sounds_like_the_whole(shipped: Codec, speech: np.ndarray, tmp_path: Path) -> None:
    """It begins elsewhere with oscillators and noise: envelopes hardly tell."""
    long = np.concatenate([speech, speech, speech], axis=1)
    save(shipped.encode(long, 16_000), tmp_path / "x.sct")
    whole = read(tmp_path / "x.sct")
    assert torch.equal(shipped.decode(whole.slice(6, 9)), shipped.decode(whole)[:, 96_000:144_000])
    found, expected, other = (
        shipped.decode(tokens) for tokens in (read(tmp_path / "x.sct", 6, 9), whole.slice(6, 9), whole.slice(5, 8))
    )
    assert mel_distance(found, expected) < 0.3 * mel_distance(other, expected)
