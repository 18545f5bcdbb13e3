"""Live audio: PCM from a pipe → container chunks as soon as they are ready → PCM to a pipe. Memory stays flat for ever."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

import numpy as np

from codec.audio import AudioInfo
from codec.bitstream import ContainerReader, ContainerWriter
from codec.errors import AudioError, CodecError, TruncatedError
from codec.files import FileReport, decoded_blocks, tokens_of
from codec.header import CHUNK_SECONDS, Header
from codec.limits import MAX_CHANNELS, is_sample_rate
from codec.model import Codec
from codec.streaming import LOW_LATENCY, WHOLE

BLOCK_BYTES = 1 << 16
_SAMPLES = {(1, 16): "<i2", (1, 32): "<i4", (3, 32): "<f4"}
_UNKNOWN_SIZE = 0xFFFFFFFF


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

    @staticmethod
    def parse(text: str) -> PcmFormat:
        """From ``RATE`` or ``RATE:CHANNELS``, 16-bit little-endian.

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
            endless = size in (0, _UNKNOWN_SIZE) or start[:4] == b"RF64"
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


def pcm_blocks(source: IO[bytes], pcm: PcmFormat) -> Iterator[np.ndarray]:
    """Yields float32 ``(channels, n)`` as samples arrive."""
    read = getattr(source, "read1", source.read)  # what is there, without waiting for more
    frame = np.dtype(pcm.dtype).itemsize * pcm.info.channels
    scale = 1.0 if pcm.dtype == "<f4" else 1 / (np.iinfo(pcm.dtype).max + 1)
    held, left = b"", pcm.bytes
    while left is None or left:
        data = read(BLOCK_BYTES if left is None else min(BLOCK_BYTES, left))
        if not data:
            return
        left = None if left is None else left - len(data)
        held += data
        usable = len(held) - len(held) % frame
        block = np.frombuffer(held[:usable], pcm.dtype).reshape(-1, pcm.info.channels).T.astype(np.float32) * np.float32(scale)
        held = held[usable:]
        yield np.nan_to_num(block, nan=0.0, posinf=0.0, neginf=0.0)


def encode_stream(
    model: Codec,
    source: IO[bytes],
    sink: IO[bytes],
    pcm: PcmFormat | None = None,
    rate: int | None = None,
    vocab: int | None = None,
    semantic_only: bool = False,
    entropy: bool = False,
    low_latency: bool = False,
) -> FileReport:
    """Encodes until the source ends; every chunk is written and flushed as soon as its tokens are known.

    Args:
        model: the codec.
        source: wav, or raw samples of format ``pcm``.
        sink: gets a ``.sct`` container.
        pcm: format of raw samples; None: wav.
        rate: tokens per second.
        vocab: semantic vocabulary.
        semantic_only: leave out the acoustic stream.
        entropy: entropy-code the container.
        low_latency: chunks of 80 ms from windows that see 160 ms ahead, instead of the windows of whole files.

    Raises:
        CodecError: unusable input or arguments.
    """
    started = time.perf_counter()
    pcm = pcm or read_wav_header(source)
    info, grid = pcm.info, LOW_LATENCY if low_latency else WHOLE
    tokens = model.describe(info.sample_rate, rate, vocab, info.channels)
    tokens = tokens.semantic_only() if semantic_only else tokens
    tables = model.entropy if entropy else None
    stream = model.stream_encoder(info.sample_rate, info.channels, rate, vocab, grid)
    seconds = grid.core * model.networks.config.hop_length / model.sample_rate if low_latency else CHUNK_SECONDS
    target = _Flushing(sink)
    writer = ContainerWriter(target, Header.of(tokens, tables.id if tables else None, seconds), tables)
    streams = len(tokens.codebook_sizes)
    for block in pcm_blocks(source, pcm):
        writer.push(stream.push(block)[:, :streams])
    writer.push(stream.flush()[:, :streams])
    if not stream.samples:
        raise AudioError("the stream contains no samples")
    writer.close(stream.samples)
    heard = stream.samples / info.sample_rate
    return FileReport(
        "-", "-", heard, info.channels, info.sample_rate, tokens.rate, target.count,
        target.count * 8 / heard / 1000, heard / (time.perf_counter() - started),
    )  # fmt: skip


def decode_stream(
    model: Codec,
    source: IO[bytes],
    sink: IO[bytes],
    sample_rate: int | None = None,
    conceal: bool = False,
    raw: bool = False,
    low_latency: bool = False,
) -> FileReport:
    """Decodes until the container ends; samples are written and flushed as soon as they are known.

    Args:
        model: the one that encoded it.
        source: a ``.sct`` container.
        sink: gets 16-bit wav of undeclared length, or raw samples.
        sample_rate: of the output in Hz; default: that of the original.
        conceal: mute damaged chunks.
        raw: no wav header.
        low_latency: look 160 ms ahead, instead of as far as for whole files.

    A container that breaks off is decoded as far as it goes, and the report says so.

    Raises:
        CodecError: unusable input or arguments.
    """
    started = time.perf_counter()
    reader = ContainerReader(source)
    header = reader.header
    tokens = tokens_of(header)
    model.check(tokens)
    if header.entropy:
        reader.entropy = model.entropy
    if conceal:
        reader.conceal = model.silence(tokens)
    out_rate = header.sample_rate if sample_rate is None else sample_rate
    if not is_sample_rate(out_rate):
        raise CodecError(f"sample rate {out_rate} Hz is outside 1 kHz … 768 kHz")
    target = _Flushing(sink)
    if not raw:
        target.write(_wav_header(out_rate, header.channels))
    written = 0
    try:
        for block in decoded_blocks(model, tokens, reader, out_rate, LOW_LATENCY if low_latency else WHOLE):
            target.write(np.round(block * 32767).astype("<i2").tobytes())
            written += len(block)
    except TruncatedError:
        if not written:
            raise
    return FileReport(
        "-", "-", written / out_rate, header.channels, out_rate, tokens.rate, 0, 0.0,
        written / out_rate / (time.perf_counter() - started), len(reader.damaged), (reader.cut,) if reader.cut else (),
    )  # fmt: skip


class _Flushing:
    """A sink that lets everything go at once and counts it."""

    def __init__(self, sink: IO[bytes]) -> None:
        self._sink, self.count = sink, 0

    def write(self, data: bytes) -> None:
        self._sink.write(data)
        self._sink.flush()
        self.count += len(data)


def _wav_header(sample_rate: int, channels: int) -> bytes:
    """Of a 16-bit wav whose end is not known."""
    fields = struct.pack("<HHIIHH", 1, channels, sample_rate, sample_rate * channels * 2, channels * 2, 16)
    sizes = struct.pack("<I", _UNKNOWN_SIZE)
    return b"RIFF" + sizes + b"WAVEfmt " + struct.pack("<I", len(fields)) + fields + b"data" + sizes


def _exactly(source: IO[bytes], size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = source.read(size - len(data))
        if not more:
            raise AudioError("wav stream ends inside its header" if data else "standard input is empty")
        data += more
    return data
