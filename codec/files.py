"""Whole files through the codec, in memory that does not grow with their length."""

from __future__ import annotations

import io
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO, Literal

import numpy as np
import soundfile
import torch
from torch import Tensor

from codec.atomic import atomic_path, atomic_write
from codec.audio import BLOCK_SAMPLES, AudioReader, Resampler
from codec.bitstream import ContainerReader, ContainerWriter, Sink
from codec.errors import AudioError, CodecError, ContainerError
from codec.header import Header
from codec.limits import is_sample_rate
from codec.model import Codec
from codec.streaming import WHOLE, Grid, StreamEncoder
from codec.tokens import Tokens, model_samples

DECODE_FRAMES = 256
"""That are decoded at once."""
Format = Literal["sct", "npy", "jsonl"]
Progress = Callable[[float], None]
"""Called with seconds of audio done since the last call."""


@dataclass(frozen=True)
class FileReport:
    """What happened to one file.

    Attributes:
        input: its name.
        output: what was written.
        seconds: of audio.
        channels: encoded independently.
        sample_rate: in Hz.
        rate: tokens per second and channel.
        bytes: of the token file.
        kbps: of the token file, container included.
        times_real_time: seconds of audio per second of work.
        damaged_chunks: that were concealed.
    """

    input: str
    output: str
    seconds: float
    channels: int
    sample_rate: int
    rate: float
    bytes: int
    kbps: float
    times_real_time: float
    damaged_chunks: int = 0


def encode_file(
    model: Codec,
    source: str,
    target: str,
    rate: int | None = None,
    vocab: int | None = None,
    format: Format = "sct",
    semantic_only: bool = False,
    entropy: bool = False,
    progress: Progress = lambda seconds: None,
) -> FileReport:
    """Encodes an audio file to tokens.

    Args:
        model: the codec.
        source: path, or ``-`` for standard input.
        target: path, or ``-`` for standard output.
        rate: tokens per second.
        vocab: semantic vocabulary.
        format: ``sct`` container, ``npy`` array ``(channels, streams, frames)``, or one ``jsonl`` line.
        semantic_only: leave out the acoustic stream.
        entropy: entropy-code the container with the model's tables.
        progress: told of the audio done.

    Raises:
        CodecError: unusable input, arguments or output; nothing is left behind.
    """
    started = time.perf_counter()
    if entropy and format != "sct":
        raise CodecError(f"entropy coding is for containers, not for {format}")
    with AudioReader(source) as reader, _open_target(target) as sink:
        info = reader.info
        tokens = model.describe(info.sample_rate, rate, vocab, info.channels)
        tokens = tokens.semantic_only() if semantic_only else tokens
        stream = model.stream_encoder(info.sample_rate, info.channels, rate, vocab)
        streams = len(tokens.codebook_sizes)
        codes = (part[:, :streams] for part in _encode_blocks(stream, reader, progress))
        if format == "sct":
            tables = model.entropy if entropy else None
            writer = ContainerWriter(sink, Header.of(tokens, tables.id if tables else None), tables)
            for part in codes:
                writer.push(part)
            writer.close(stream.samples)
        else:
            everything = torch.cat(list(codes), dim=2)
            _write_array(sink, everything, tokens, stream.samples, format)
        if not stream.samples:
            raise AudioError(f"{source}: contains no samples")
        size = sink.count
    seconds = stream.samples / info.sample_rate
    return FileReport(
        source, target, seconds, info.channels, info.sample_rate, tokens.rate, size,
        size * 8 / seconds / 1000, seconds / (time.perf_counter() - started),
    )  # fmt: skip


def decode_file(
    model: Codec,
    source: str,
    target: str,
    sample_rate: int | None = None,
    conceal: bool = False,
    progress: Progress = lambda seconds: None,
) -> FileReport:
    """Decodes a ``.sct`` file to audio of exactly the original length.

    Args:
        model: the one that encoded it.
        source: path, or ``-`` for standard input.
        target: path whose suffix names the format (wav, flac, ogg, mp3, …), or ``-`` for wav on standard output.
        sample_rate: of the output; default is that of the original.
        conceal: mute damaged chunks instead of refusing the file.
        progress: told of the audio done.

    Raises:
        CodecError: unusable input, arguments or output; nothing is left behind.
    """
    started = time.perf_counter()
    with _open_source(source) as handle, _named_errors(source):
        reader = ContainerReader(handle)
        header = reader.header
        tokens = tokens_of(header)
        model.check(tokens)
        if header.entropy:
            reader.entropy = model.entropy
        if conceal:
            reader.conceal = model.silence(tokens)
        out_rate = sample_rate or header.sample_rate
        if not is_sample_rate(out_rate):
            raise CodecError(f"sample rate {out_rate} Hz is outside 1 kHz … 768 kHz")
        with _open_audio_target(target, out_rate, header.channels, _is_huge(source, header, out_rate)) as sink:
            written = _decode_blocks(model, tokens, reader, sink, out_rate, progress)
        size = handle.tell() if source != "-" else 0
    seconds = written / out_rate
    return FileReport(
        source, target, seconds, header.channels, out_rate, tokens.rate, size,
        size * 8 / seconds / 1000 if seconds else 0.0, seconds / (time.perf_counter() - started), len(reader.damaged),
    )  # fmt: skip


def _encode_blocks(stream: StreamEncoder, reader: AudioReader, progress: Progress) -> Iterator[Tensor]:
    for block in reader.blocks():
        try:
            codes = stream.push(block.T)
        except AudioError as error:
            raise AudioError(f"{reader.name}: {error}") from error
        yield codes
        progress(len(block) / reader.info.sample_rate)
    yield stream.flush()


def _decode_blocks(
    model: Codec, tokens: Tokens, reader: ContainerReader, sink: soundfile.SoundFile, out_rate: int, progress: Progress
) -> int:
    written = 0
    for wave in decoded_blocks(model, tokens, reader, out_rate):
        for start in range(0, len(wave), BLOCK_SAMPLES):
            sink.write(wave[start : start + BLOCK_SAMPLES])
        written += len(wave)
        progress(len(wave) / out_rate)
    return written


def decoded_blocks(
    model: Codec, tokens: Tokens, reader: ContainerReader, out_rate: int, grid: Grid = WHOLE
) -> Iterator[np.ndarray]:
    """Decodes and resamples: blocks ``(n, channels)`` within ±1 that together are as long as the original was."""
    stream = model.stream_decoder(tokens, grid)
    resampler = Resampler(model.sample_rate, out_rate, len(tokens.codes))
    ready = 0
    for chunk in reader.chunks():
        # A chunk may be hours of many channels, to be resampled to 48 times the rate: in pieces, so that memory stays flat.
        for codes in torch.split(chunk, DECODE_FRAMES, dim=2):
            # Never reaches into the last token, which may be mostly padding: the decoder looks ahead at least one token.
            for block in _resampled(stream.push(codes), resampler):
                ready += len(block)
                yield np.clip(block, -1, 1)
    assert reader.samples is not None
    # The original's length at its own rate, expressed at the output's.
    total = reader.samples if out_rate == tokens.sample_rate else model_samples(reader.samples, tokens.sample_rate, out_rate)
    rest = stream.flush().reshape(len(tokens.codes), -1)
    missing = max(0, total - ready)
    for block in chain(_resampled(rest, resampler), map(Resampler.flush, [resampler])):  # flushed only when it gets there
        yield np.clip(block[:missing], -1, 1)
        missing -= len(block[:missing])
    yield np.zeros((missing, len(tokens.codes)), np.float32)


def _resampled(wave: Tensor, resampler: Resampler) -> Iterator[np.ndarray]:
    """``(channels, n)`` → blocks ``(n, channels)``, none of them large."""
    for piece in torch.split(wave, BLOCK_SAMPLES // len(wave), dim=1):
        if len(block := resampler.push(np.ascontiguousarray(piece.numpy().T))):
            yield block


def _is_huge(source: str, header: Header, sample_rate: int) -> bool:
    """Whether 16-bit audio of this file may pass the 4 GB that a plain wav can hold."""
    frames = Path(source).stat().st_size * 8 / header.frame_bits if source != "-" else 0
    return frames / header.frame_rate * sample_rate * header.channels * 2 > 4e9


def tokens_of(header: Header) -> Tokens:
    """Tokens of no audio with the header's rate, vocabulary and model."""
    return Tokens(
        torch.zeros(header.channels, len(header.codebook_sizes), 0, dtype=torch.int64),
        torch.zeros(header.channels, dtype=torch.int64),
        header.sample_rate,
        header.frame_rate,
        header.codebook_sizes,
        header.model,
        header.model_rate,
    )


def _write_array(sink: Sink, codes: Tensor, tokens: Tokens, samples: int, format: Format) -> None:
    if format == "npy":
        buffer = io.BytesIO()
        np.save(buffer, codes.numpy().astype(np.int32), allow_pickle=False)
        sink.write(buffer.getvalue())
        return
    row = {
        "codes": codes.tolist(), "samples": samples, "sample_rate": tokens.sample_rate,
        "frame_rate": tokens.frame_rate, "codebook_sizes": tokens.codebook_sizes, "model": tokens.model,
    }  # fmt: skip
    sink.write((json.dumps(row) + "\n").encode())


class _Counting:
    """A binary sink that knows how much went through it; pipes cannot tell."""

    def __init__(self, handle: IO[bytes]) -> None:
        self._handle, self.count = handle, 0

    def write(self, data: bytes) -> int:
        self.count += len(data)
        return self._handle.write(data)


@contextmanager
def _open_target(target: str) -> Iterator[_Counting]:
    if target == "-":
        yield _Counting(sys.stdout.buffer)
        sys.stdout.buffer.flush()
    else:
        with atomic_write(Path(target)) as handle:
            yield _Counting(handle)


@contextmanager
def _open_source(source: str) -> Iterator[IO[bytes]]:
    if source == "-":
        yield sys.stdin.buffer
        return
    try:
        handle = open(source, "rb")  # noqa: SIM115 - closed below, but errors of opening are told apart from later ones
    except OSError as error:
        raise ContainerError(f"{source}: {error.strerror}") from error
    with handle:
        yield handle


@contextmanager
def _named_errors(source: str) -> Iterator[None]:
    try:
        yield
    except ContainerError as error:
        raise ContainerError(f"{source}: {error}") from error


@contextmanager
def _audio_path(target: str) -> Iterator[Path]:
    """Where to write audio: beside the target, or for standard output in a scratch folder (wav headers need seeking)."""
    if target != "-":
        with atomic_path(Path(target)) as temporary:
            yield temporary
        return
    with tempfile.TemporaryDirectory(prefix="codec-") as folder:
        yield Path(folder) / "stdout.wav"
        with (Path(folder) / "stdout.wav").open("rb") as handle:
            shutil.copyfileobj(handle, sys.stdout.buffer)
        sys.stdout.buffer.flush()


@contextmanager
def _open_audio_target(target: str, sample_rate: int, channels: int, huge: bool) -> Iterator[soundfile.SoundFile]:
    suffix = ".wav" if target == "-" else Path(target).suffix.lower()
    format = {"OPUS": "OGG", "OGA": "OGG", "AIF": "AIFF"}.get(suffix[1:].upper(), suffix[1:].upper())
    if format not in soundfile.available_formats():
        raise CodecError(f"{target}: cannot write {suffix or 'files without a suffix'}; use .wav, .flac, .ogg, .mp3 or .opus")
    format = "RF64" if format == "WAV" and huge else format
    subtype = "OPUS" if suffix == ".opus" else None
    with _audio_path(target) as temporary:
        try:
            with soundfile.SoundFile(temporary, "w", sample_rate, channels, subtype, format=format) as sink:
                yield sink
        except CodecError:
            raise
        except (soundfile.SoundFileError, TypeError, ValueError) as error:
            raise CodecError(f"cannot write {channels} channels at {sample_rate} Hz to {target}: {error}") from error
