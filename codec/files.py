"""Whole files through the codec, in memory that does not grow with their length."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO

import numpy as np
import soundfile

from codec.arrays import as_array
from codec.audio.io import BLOCK_SAMPLES, AudioReader, Resampler
from codec.container.arrays import Format, check_format, write_array, write_facts, write_line
from codec.container.bitstream import ContainerReader, ContainerWriter
from codec.container.header import Header
from codec.container.length import longest_seconds
from codec.container.part import LONGEST_SECONDS, Part
from codec.errors import AudioError, CodecError, ContainerError
from codec.limits import is_sample_rate
from codec.outputs import open_audio_target, open_target, standard_input
from codec.protocol import Encoding, SemanticCodec
from codec.provenance import sha256_of
from codec.streaming import WHOLE, Grid
from codec.threads import at_once
from codec.tokens import Tokens, model_samples, no_tokens

DECODE_FRAMES = 256
"""That are decoded at once, on one thread."""
WINDOW_SECONDS = 20.48
"""Of audio in a window of `WHOLE` at 50 frames/s: what a thread works on."""
WAV_BYTES = 4e9
"""That a plain wav can hold."""
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
        kbps: of the tokens of all channels, before entropy coding: what is sent.
        file_kbps: of the token file, with all that is in it; of a part 0, since nobody wrote one.
        times_real_time: seconds of audio per second of work.
        damaged_chunks: that were concealed.
        warnings: what is missing of the input, a clause each.
    """

    input: str
    output: str
    seconds: float
    channels: int
    sample_rate: int
    rate: float
    bytes: int
    kbps: float
    file_kbps: float
    times_real_time: float
    damaged_chunks: int = 0
    warnings: tuple[str, ...] = ()


def encode_file(
    model: SemanticCodec,
    source: str,
    target: str,
    rate: int | None = None,
    vocab: int | None = None,
    format: Format = "sct",
    semantic_only: bool = False,
    entropy: bool = False,
    progress: Progress = lambda seconds: None,
    strict: bool = False,
    ffmpeg: bool = True,
) -> FileReport:
    """Encodes an audio file to tokens.

    Args:
        model: the codec.
        source: path, or ``-`` for standard input.
        target: path, or ``-`` for standard output.
        rate: tokens per second.
        vocab: semantic vocabulary.
        format: ``sct`` container, ``npy`` array ``(channels, streams, frames)`` with its facts beside it, or one ``jsonl``
            line.
        semantic_only: leave out the acoustic stream.
        entropy: entropy-code the container with the model's tables.
        progress: told of the audio done.
        strict: refuse audio of which something is missing, instead of telling it in the report.
        ffmpeg: read what libsndfile does not through ffmpeg.

    Raises:
        CodecError: unusable input, arguments or output; nothing is left behind.
    """
    started = time.perf_counter()
    if check_format(format) != "sct" and entropy:
        raise CodecError(f"entropy coding is for containers, not for {format}")
    with AudioReader(source, strict, ffmpeg) as reader, open_target(target) as sink:
        if strict and reader.missing:
            raise AudioError(f"{source}: {reader.missing[0]}")
        info = reader.info
        tokens = model.describe(info.sample_rate, rate, vocab, info.channels)
        tokens = tokens.semantic_only() if semantic_only else tokens
        stream = model.stream_encoder(info.sample_rate, info.channels, rate, vocab)
        streams = len(tokens.codebook_sizes)
        codes = (part[:, :streams] for part in _encode_blocks(stream, reader, progress))
        if format == "sct":
            tables = model.entropy if entropy else None
            writer = ContainerWriter(sink, Header.of(tokens, tables.id if tables else None), tables, wait=True)
            for part in codes:
                writer.push(part)
            _check_heard(source, stream)
            writer.close(stream.samples)
        else:
            everything = np.concatenate(list(codes), axis=2)
            _check_heard(source, stream)
            if format == "npy":
                write_array(sink, everything)
                write_facts(target, tokens, stream.samples)
            else:
                write_line(sink, everything, tokens, stream.samples)
        size = sink.count
    seconds = stream.samples / info.sample_rate
    kbps, file_kbps = info.channels * tokens.bitrate / 1000, size * 8 / seconds / 1000
    return FileReport(
        source, target, seconds, info.channels, info.sample_rate, tokens.rate, size, kbps, file_kbps,
        seconds / (time.perf_counter() - started), warnings=reader.missing,
    )  # fmt: skip


def decode_file(
    model: SemanticCodec,
    source: str,
    target: str,
    sample_rate: int | None = None,
    conceal: bool = False,
    progress: Progress = lambda seconds: None,
    part: Part | None = None,
    quick: bool = False,
) -> FileReport:
    """Decodes a ``.sct`` file to audio of exactly the original length, or a part of it.

    Args:
        model: the one that encoded it.
        source: path, or ``-`` for standard input.
        target: path whose suffix names the format (wav, flac, ogg, mp3, …), or ``-`` for wav on standard output.
        sample_rate: of the output; default is that of the original.
        conceal: mute damaged chunks instead of refusing the file.
        progress: told of the audio done.
        part: that is wanted; default: all.
        quick: begin shortly before the part, not at the beginning: oscillators and noise are elsewhere then.

    Raises:
        CodecError: unusable input, arguments or output; nothing is left behind.
    """
    started = time.perf_counter()
    with _open_source(source) as handle:
        with _named_errors(source):
            reader, tokens = open_tokens(model, handle, conceal)
        header = reader.header
        out_rate = output_rate(header, sample_rate)
        if part and quick:
            reader.only(*part.in_context(tokens.spec, out_rate))
        seconds = longest_seconds(source, header) if source != "-" else 0.0  # a pipe does not tell
        huge, comment = 2 * header.channels * out_rate * seconds > WAV_BYTES, provenance(source, model, part, quick)
        with open_audio_target(target, out_rate, header.channels, huge, comment) as sink:
            blocks = decoded_blocks(model, tokens, reader, out_rate, wait=_together_seconds(header.channels))
            if part:
                blocks = _within(blocks, reader, part, out_rate)
            written = _decode_blocks(_named_blocks(source, blocks), sink, progress)
        size = handle.tell() if source != "-" else 0
    seconds = written / out_rate
    kbps = header.frame_bits * header.frame_rate / 1000
    file_kbps = size * 8 / seconds / 1000 if seconds and not part else 0.0
    return FileReport(
        source, target, seconds, header.channels, out_rate, tokens.rate, size, kbps, file_kbps,
        seconds / (time.perf_counter() - started), len(reader.damaged), (reader.cut,) if reader.cut else (),
    )  # fmt: skip


def provenance(source: str, model: SemanticCodec, part: Part | None = None, quick: bool = False) -> str:
    """What decoded audio says of itself, so that a later run knows what it is; empty for what comes through a pipe."""
    if not Path(source).is_file():
        return ""
    told = ""
    if part:
        told = f", {part.start:g} s to {'the end' if part.stop is None else f'{part.stop:g} s'}{', quick' * quick}"
    return f"decoded by semcodec: tokens {sha256_of(Path(source))[:16]}, model {model.version}{told}"


def _check_heard(source: str, stream: Encoding) -> None:
    if not stream.samples:
        raise AudioError(f"{source}: contains no samples")


def _encode_blocks(stream: Encoding, reader: AudioReader, progress: Progress) -> Iterator[np.ndarray]:
    least = _together_seconds(reader.info.channels) * reader.info.sample_rate
    for block in _gathered(reader.blocks(), round(least)):
        try:
            codes = as_array(stream.push(block.T))
        except AudioError as error:
            raise AudioError(f"{reader.name}: {error}") from error
        yield codes
        progress(len(block) / reader.info.sample_rate)
    yield as_array(stream.flush())


def _together_seconds(channels: int) -> float:
    """Seconds of audio in which there is a window for every thread; 0 where there is but one thread."""
    return WINDOW_SECONDS * -(-at_once() // channels) if at_once() > 1 else 0.0


def _gathered(blocks: Iterator[np.ndarray], least: int) -> Iterator[np.ndarray]:
    """Joins blocks ``(n, channels)`` until there is work for every thread."""
    held: list[np.ndarray] = []
    for block in blocks:
        held.append(block)
        if sum(map(len, held)) >= least:
            yield held[0] if len(held) == 1 else np.concatenate(held)
            held = []
    if held:
        yield np.concatenate(held)


def _decode_blocks(blocks: Iterator[np.ndarray], sink: soundfile.SoundFile, progress: Progress) -> int:
    written = 0
    for wave in blocks:
        if sink.format == "WAV" and (written + len(wave)) * wave.shape[1] * 2 > WAV_BYTES:
            raise CodecError("more than the 4 GB that a wav file holds, which a pipe does not tell before; write .w64 or .flac")
        for start in range(0, len(wave), BLOCK_SAMPLES):
            sink.write(wave[start : start + BLOCK_SAMPLES])
        written += len(wave)
        progress(len(wave) / sink.samplerate)
    return written


def _samples_before(reader: ContainerReader, out_rate: int) -> int:
    """Samples that lie before the first frame that is read."""
    return math.floor(reader.first * reader.header.spec.samples_per_frame(out_rate))


def _within(blocks: Iterator[np.ndarray], reader: ContainerReader, part: Part, out_rate: int) -> Iterator[np.ndarray]:
    """The part of the blocks ``(n, channels)`` that lies between two times."""
    first, last = (None if time is None else round(min(time, LONGEST_SECONDS) * out_rate) for time in (part.start, part.stop))
    at, written = _samples_before(reader, out_rate), 0
    assert first is not None
    for block in blocks:
        wanted = block[max(0, first - at) : None if last is None else max(0, last - at)]
        at, written = at + len(block), written + len(wanted)
        yield wanted
        if last is not None and at >= last:
            break
    if not written:
        seconds = (reader.samples or reader.covered) / reader.header.sample_rate
        raise CodecError(f"there is nothing from {part.start:g} s on; it ends at {seconds:.2f} s")


def _named_blocks(source: str, blocks: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    with _named_errors(source):
        yield from blocks


def decoded_blocks(
    model: SemanticCodec, tokens: Tokens, reader: ContainerReader, out_rate: int, grid: Grid = WHOLE, wait: float = 0.0
) -> Iterator[np.ndarray]:
    """Decodes and resamples: blocks ``(n, channels)`` within ±1 that together are as long as the original was.

    Args:
        model: the one that made the tokens.
        tokens: of no audio, as the container's header describes them.
        reader: of the container.
        out_rate: of the blocks, in Hz.
        grid: of windows.
        wait: seconds of tokens that are gathered before they are decoded, for several threads to work on; 0: none.

    Raises:
        ContainerError: damaged, or it breaks off; the sound of everything before has been yielded by then.
    """
    stream = model.stream_decoder(tokens, grid)
    resampler = Resampler(model.sample_rate, out_rate, len(tokens.codes))
    ready = _samples_before(reader, out_rate)
    failure: list[ContainerError] = []
    for codes in _pieces(_until_damage(reader, failure), round(wait * tokens.frame_rate)):
        # Never reaches into the last token, which may be mostly padding: the decoder looks ahead at least one token.
        for block in _resampled(as_array(stream.push(codes)), resampler):
            ready += len(block)
            yield np.clip(block, -1, 1)
    samples = reader.covered if reader.samples is None else reader.samples
    # The original's length at its own rate, expressed at the output's.
    total = samples if out_rate == tokens.sample_rate else model_samples(samples, tokens.sample_rate, out_rate)
    rest = as_array(stream.flush()).reshape(len(tokens.codes), -1)
    missing = max(0, total - ready)
    for block in chain(_resampled(rest, resampler), map(Resampler.flush, [resampler])):  # flushed only when it gets there
        yield np.clip(block[:missing], -1, 1)
        missing -= len(block[:missing])
    yield np.zeros((missing, len(tokens.codes)), np.float32)
    if failure:
        raise failure[0]


def _pieces(chunks: Iterator[np.ndarray], least: int) -> Iterator[np.ndarray]:
    """Gathers chunks ``(channels, S, n)`` of at least so many frames.

    A chunk may be hours of many channels, to be resampled to 48 times the rate: in pieces, so that memory stays flat.
    """
    held: list[np.ndarray] = []
    for chunk in chunks:
        held.append(chunk)
        if sum(part.shape[2] for part in held) >= least:
            yield from _split(np.concatenate(held, axis=2), max(least, DECODE_FRAMES))
            held = []
    if held:
        yield np.concatenate(held, axis=2)


def _split(values: np.ndarray, length: int) -> Iterator[np.ndarray]:
    """Parts of the last axis."""
    return (values[..., start : start + length] for start in range(0, values.shape[-1], length))


def _until_damage(reader: ContainerReader, failure: list[ContainerError]) -> Iterator[np.ndarray]:
    """Chunks; what ends them early goes into ``failure``, so that what still waits in decoder and resampler is heard first."""
    try:
        yield from map(as_array, reader.chunks())
    except ContainerError as error:
        failure.append(error)


def _resampled(wave: np.ndarray, resampler: Resampler) -> Iterator[np.ndarray]:
    """``(channels, n)`` → blocks ``(n, channels)``, none of them large."""
    for piece in _split(wave, BLOCK_SAMPLES // len(wave)):
        if len(block := resampler.push(np.ascontiguousarray(piece.T))):
            yield block


def open_tokens(model: SemanticCodec, source: IO[bytes], conceal: bool) -> tuple[ContainerReader, Tokens]:
    """A container for a model to decode, and tokens of no audio with its rate, vocabulary and model.

    Raises:
        CodecError: damaged, or not this model's.
    """
    reader = ContainerReader(source)
    tokens = no_tokens(reader.header.spec, reader.header.sample_rate, reader.header.channels)
    model.check(tokens)
    if reader.header.entropy:
        reader.entropy = model.entropy
    if conceal:
        reader.conceal = model.silence(tokens)
    return reader, tokens


def output_rate(header: Header, sample_rate: int | None) -> int:
    """Sample rate to decode to: what was asked for, or that of the original.

    Raises:
        CodecError: an impossible one.
    """
    rate = header.sample_rate if sample_rate is None else sample_rate
    if not is_sample_rate(rate):
        raise CodecError(f"sample rate {rate} Hz is outside 1 kHz … 768 kHz")
    return rate


@contextmanager
def _open_source(source: str) -> Iterator[IO[bytes]]:
    if source == "-":
        yield standard_input()
        return
    try:
        handle = open(source, "rb")  # noqa: SIM115 - closed below, but errors of opening are told apart from later ones
    except OSError as error:
        raise ContainerError(f"{source}: {error.strerror}") from error
    with handle:
        yield handle


@contextmanager
def _named_errors(source: str) -> Iterator[None]:
    """Names the file in what its container, its tokens or its model are refused for."""
    try:
        yield
    except CodecError as error:
        raise type(error)(f"{source}: {error}") from error
