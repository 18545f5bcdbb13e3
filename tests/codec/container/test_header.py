"""Headers of models at other rates than 16 kHz, and of what does not fit into a container."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import replace

import pytest
import torch

from codec.container.header import MAX_CHUNK_BYTES, Header
from codec.errors import ContainerError
from codec.tokens import Tokens

USUAL = Header("0123456789abcdef", 44_100, 2, 25.0, (8192, 8192), 256)


def with_checksum(body: bytes) -> io.BytesIO:
    return io.BytesIO(body + struct.pack("<I", zlib.crc32(body)))


@pytest.mark.parametrize("entropy", [None, b"8 bytes!"])
def test_other_rates_are_told_and_the_usual_one_costs_nothing(entropy: bytes | None) -> None:
    usual, other = replace(USUAL, entropy=entropy), replace(USUAL, entropy=entropy, model_rate=24_000)
    assert len(other.pack()) == len(usual.pack()) + 4
    assert usual.pack()[5] == bool(entropy)
    assert Header.read(io.BytesIO(other.pack())) == other
    assert Header.read(io.BytesIO(usual.pack())) == usual


@pytest.mark.parametrize("rate", [0, 999, 768_001, 0xFFFFFFFF])
def test_impossible_model_rates_are_damage(rate: int) -> None:
    body = replace(USUAL, model_rate=24_000).pack()[:-4]
    with pytest.raises(ContainerError, match="impossible"):
        Header.read(with_checksum(body[:-4] + struct.pack("<I", rate)))


def test_unknown_flags_are_of_a_newer_program() -> None:
    body = bytearray(USUAL.pack()[:-4])
    body[5] = 4
    with pytest.raises(ContainerError, match="newer"):
        Header.read(with_checksum(bytes(body)))


def tokens_of(frame_rate: float, sizes: tuple[int, ...], channels: int = 1, model_rate: int = 24_000) -> Tokens:
    codes = torch.zeros(channels, len(sizes), 0, dtype=torch.int64)
    return Tokens(codes, torch.zeros(channels, dtype=torch.int64), 48_000, frame_rate, sizes, "0" * 16, model_rate)


@pytest.mark.parametrize(
    ("frame_rate", "sizes"), [(225.0, (1024,) * 9), (44_100 / 512, (1024,)), (2400.0, (1024, 1024)), (0.5, (1024, 1024))]
)
def test_what_does_not_fit_is_refused(frame_rate: float, sizes: tuple[int, ...]) -> None:
    with pytest.raises(ContainerError, match="do not fit"):
        Header.of(tokens_of(frame_rate, sizes))


def test_chunks_of_many_channels_stay_readable() -> None:
    """64 channels of 1000 frames a second would fill more than a reader takes."""
    header = Header.of(tokens_of(1000.0, (1 << 18, 1 << 24), 64, 768_000))
    assert 0.9 * MAX_CHUNK_BYTES < header.payload_bytes(header.chunk_frames) <= MAX_CHUNK_BYTES
    assert Header.read(io.BytesIO(header.pack())) == header
