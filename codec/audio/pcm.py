"""Samples without a file around them: raw, or behind the header of a wav stream whose end is not known."""

from __future__ import annotations

import io
import select
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

import numpy as np

from codec.audio.formats.chunks import ends_within, is_placeholder
from codec.errors import AudioError
from codec.limits import MAX_CHANNELS, is_sample_rate

BLOCK_BYTES = 1 << 16
FULL_SCALE = 32768
"""What ±1 is in samples of 16 bits."""
_SAMPLES = {(1, 16): "<i2", (1, 32): "<i4", (3, 32): "<f4"}


def to_int16(wave: np.ndarray) -> np.ndarray:
    """Samples of full scale ±1 as 16-bit ones of the same shape, rounded; +1 itself is one step too loud.

    Example:
        >>> to_int16(np.array([-2, -1, 0.25, 1]))
        array([-32768, -32768,   8192,  32767], dtype=int16)
    """
    return np.clip(np.round(wave * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1).astype("<i2")


def from_int16(samples: np.ndarray) -> np.ndarray:
    """16-bit samples as float32 of full scale ±1, of which `to_int16` makes the same ones again."""
    return samples.astype(np.float32) / FULL_SCALE


@dataclass(frozen=True)
class AudioInfo:
    """What is known of a file before it is decoded.

    Attributes:
        sample_rate: in Hz.
        channels: number of interleaved channels.
    """

    sample_rate: int
    channels: int


@dataclass(frozen=True)
class PcmFormat:
    """What raw samples are.

    Attributes:
        info: sample rate and channels.
        dtype: numpy's name for a sample.
        bytes: of audio, or None if it goes on until the pipe closes.
    """

    info: AudioInfo
    dtype: str = "<i2"
    bytes: int | None = None

    @property
    def samples(self) -> int | None:
        """The number of samples in each channel, or None if it is not known."""
        return None if self.bytes is None else self.bytes // self.frame_bytes

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of every channel."""
        return np.dtype(self.dtype).itemsize * self.info.channels

    @staticmethod
    def parse(text: str) -> PcmFormat:
        """Reads ``RATE`` or ``RATE:CHANNELS``; samples are 16-bit and little-endian.

        Raises:
            AudioError: not that, or outside what is supported.

        Example:
            >>> PcmFormat.parse("48000:2").info
            AudioInfo(sample_rate=48000, channels=2)
        """
        rate, _, channels = text.partition(":")
        if not (rate.isdecimal() and (channels or "1").isdecimal()) or len(text) > 20:
            raise AudioError(f"raw format {text!r} is not RATE or RATE:CHANNELS, such as 16000:1")
        return PcmFormat(_checked(int(rate), int(channels or 1)))


def _checked(sample_rate: int, channels: int) -> AudioInfo:
    if not is_sample_rate(sample_rate) or not 1 <= channels <= MAX_CHANNELS:
        raise AudioError(f"{channels} channels at {sample_rate} Hz are not supported")
    return AudioInfo(sample_rate, channels)


def read_wav_header(source: IO[bytes]) -> PcmFormat:
    """Reads a wav stream up to its first sample.

    Raises:
        AudioError: not wav, or samples that are not 16-bit, 32-bit or float.
    """
    start = _exactly(source, 12)
    if start[:4] not in (b"RIFF", b"RF64") or start[8:] != b"WAVE":
        raise AudioError("standard input is not wav; name its format for raw samples: --raw 16000:1")
    found: PcmFormat | None = None
    while True:
        name, size = struct.unpack("<4sI", _exactly(source, 8))
        if name == b"data":
            if found is None:
                raise AudioError("wav stream without a format")
            endless = is_placeholder(size) or start[:4] == b"RF64"
            return PcmFormat(found.info, found.dtype, None if endless else size)
        if size > BLOCK_BYTES:
            raise AudioError(f"wav stream with a header of {size} bytes")
        body = _exactly(source, size + size % 2)
        if name == b"fmt " and size >= 16:
            tag, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", body)
            tag = struct.unpack_from("<H", body, 24)[0] if tag == 0xFFFE and size >= 26 else tag
            if (tag, bits) not in _SAMPLES:
                raise AudioError(f"wav stream of format {tag} with {bits} bits; 16-bit, 32-bit and float are read")
            found = PcmFormat(_checked(rate, channels), _SAMPLES[tag, bits])


class PcmReader:
    """Samples as they arrive, until the pipe closes or as many bytes came as were declared.

    Args:
        source: a binary stream that stands before the first sample.
        pcm: what the samples are.

    Attributes:
        left_over: bytes behind the last whole sample of all channels, where the stream ended.
        not_numbers: samples so far that were NaN or infinite, and became zero.
    """

    def __init__(self, source: IO[bytes], pcm: PcmFormat) -> None:
        self._source, self._pcm = source, pcm
        self.left_over = self.not_numbers = 0

    def blocks(self) -> Iterator[np.ndarray]:
        """Yields float32 ``(channels, n)``; NaN and infinite samples are zero."""
        pcm, source = self._pcm, self._source
        read = getattr(source, "read1", source.read)  # what is there, without waiting for more
        frame = pcm.frame_bytes
        scale = 1.0 if pcm.dtype == "<f4" else 1 / (np.iinfo(pcm.dtype).max + 1)
        held, left = b"", pcm.bytes
        while left is None or left:
            data = read(BLOCK_BYTES if left is None else min(BLOCK_BYTES, left))
            if not data:
                break
            left = None if left is None else left - len(data)
            held += data
            usable = len(held) - len(held) % frame
            block = np.frombuffer(held[:usable], pcm.dtype).reshape(-1, pcm.info.channels).T.astype(np.float32)
            held = held[usable:]
            self.not_numbers += block.size - int(np.isfinite(block).sum())
            yield np.nan_to_num(block * np.float32(scale), nan=0.0, posinf=0.0, neginf=0.0)
        self.left_over = len(held)

    def missing(self) -> tuple[str, ...]:
        """What of all that was declared and came is in no block, a clause each: known when the last block was taken."""
        clauses = ends_within(self.left_over, self._pcm.frame_bytes)
        if self._another_follows():
            clauses += ("another recording follows, and is not read",)
        return clauses + told_of(self.not_numbers)

    def _another_follows(self) -> bool:
        """Whether a second wav stands where the first declared its end: behind a byte of padding, if its length is odd.

        A pipe that is kept open, and has nothing more, is not waited for.
        """
        if self._pcm.bytes is None or not _would_answer(self._source):
            return False
        return self._source.read(4 + self._pcm.bytes % 2)[-4:] == b"RIFF"


def _would_answer(source: IO[bytes]) -> bool:
    """Whether reading from a source does not wait: files, closed pipes, and pipes with something in them do not."""
    try:
        return bool(select.select([source], [], [], 0)[0])
    except (OSError, ValueError):  # what lies in memory has nothing to ask; nor has a pipe, on a system that asks sockets alone
        return not isinstance(source, io.BufferedReader)


def told_of(not_numbers: int) -> tuple[str, ...]:
    """What is to be said of samples that were no numbers.

    Example:
        >>> told_of(0), told_of(3)
        ((), ('NaN or infinite: 3 samples, which count as silence',))
    """
    return (f"NaN or infinite: {not_numbers} samples, which count as silence",) if not_numbers else ()


def _exactly(source: IO[bytes], size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = source.read(size - len(data))
        if not more:
            raise AudioError("wav stream ends inside its header" if data else "standard input is empty")
        data += more
    return data
