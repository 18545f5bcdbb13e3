"""Live audio: PCM from a pipe → container chunks as soon as they are ready → PCM to a pipe. Memory stays flat for ever."""

from __future__ import annotations

import struct
import time
from typing import IO

import numpy as np

from codec.audio.pcm import AudioInfo, PcmFormat, PcmReader, read_wav_header
from codec.container.bitstream import ContainerWriter, Sink
from codec.container.header import CHUNK_SECONDS, Header
from codec.errors import AudioError, TruncatedError
from codec.files import FileReport, decoded_blocks, open_tokens, output_rate
from codec.protocol import SemanticCodec
from codec.streaming import LOW_LATENCY, WHOLE

_UNKNOWN_SIZE = 0xFFFFFFFF


class LiveContainer:
    """Audio as it comes → a container, whose chunks are written as soon as their tokens are known.

    Args:
        model: the codec.
        target: gets the container.
        info: of the audio.
        rate: tokens per second.
        vocab: semantic vocabulary.
        low_latency: chunks of 80 ms from windows that see 160 ms ahead, instead of the windows of whole files.
        semantic_only: leave out the acoustic stream.
        entropy: entropy-code the container.
        wait: write the header with the first chunk, so that nothing is left where nothing comes.

    Attributes:
        tokens: what they will be, none of them yet.

    Raises:
        CodecError: unusable arguments.
    """

    def __init__(
        self,
        model: SemanticCodec,
        target: Sink,
        info: AudioInfo,
        rate: int | None,
        vocab: int | None,
        low_latency: bool,
        semantic_only: bool = False,
        entropy: bool = False,
        wait: bool = False,
    ) -> None:
        tokens = model.describe(info.sample_rate, rate, vocab, info.channels)
        self.tokens = tokens.semantic_only() if semantic_only else tokens
        tables = model.entropy if entropy else None
        self._stream = model.stream_encoder(info.sample_rate, info.channels, rate, vocab, LOW_LATENCY if low_latency else WHOLE)
        header = Header.of(self.tokens, tables.id if tables else None, min(CHUNK_SECONDS, self._stream.window))
        self._writer = ContainerWriter(target, header, tables, wait)
        self._streams = len(self.tokens.codebook_sizes)

    @property
    def samples(self) -> int:
        """That came, of each channel."""
        return self._stream.samples

    def push(self, block: np.ndarray) -> None:
        """Takes ``(channels, n)`` float32 samples."""
        self._writer.push(self._stream.push(block)[:, : self._streams])

    def close(self) -> None:
        """Writes what is left.

        Raises:
            AudioError: there was nothing.
        """
        if not self.samples:
            raise AudioError("the stream contains no samples")
        self._writer.push(self._stream.flush()[:, : self._streams])
        self._writer.close(self.samples)


def encode_stream(
    model: SemanticCodec,
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
    info, target = pcm.info, _Flushing(sink)
    stream = LiveContainer(model, target, info, rate, vocab, low_latency, semantic_only, entropy, wait=True)
    tokens = stream.tokens
    reader = PcmReader(source, pcm)
    for block in reader.blocks():
        stream.push(block)
    stream.close()
    heard = stream.samples / info.sample_rate
    told = pcm.samples
    cut = told is not None and stream.samples < told
    short = (f"cut short: {heard:.2f} of {told / info.sample_rate:.2f} s are there",) if cut and told else ()
    kbps, file_kbps = info.channels * tokens.bitrate / 1000, target.count * 8 / heard / 1000
    return FileReport(
        "-", "-", heard, info.channels, info.sample_rate, tokens.rate, target.count, kbps, file_kbps,
        heard / (time.perf_counter() - started), warnings=(*short, *reader.missing()),
    )  # fmt: skip


def decode_stream(
    model: SemanticCodec,
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
    reader, tokens = open_tokens(model, source, conceal)
    header = reader.header
    out_rate = output_rate(header, sample_rate)
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
    kbps = header.frame_bits * header.frame_rate / 1000
    return FileReport(
        "-", "-", written / out_rate, header.channels, out_rate, tokens.rate, 0, kbps, 0.0,
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
    """The header of a 16-bit wav whose length is not known."""
    fields = struct.pack("<HHIIHH", 1, channels, sample_rate, sample_rate * channels * 2, channels * 2, 16)
    sizes = struct.pack("<I", _UNKNOWN_SIZE)
    return b"RIFF" + sizes + b"WAVEfmt " + struct.pack("<I", len(fields)) + fields + b"data" + sizes
