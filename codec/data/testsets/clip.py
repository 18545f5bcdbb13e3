"""One recording of a test set, and the manifest that fixes which ones a figure is about."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter, ValidationError

from codec.atomic import atomic_write
from codec.audio.ffmpeg import FfmpegDecoder, is_installed
from codec.audio.io import BLOCK_SAMPLES, AudioReader, CutAudioWarning
from codec.audio.pcm import from_int16
from codec.data.domains import Domain
from codec.errors import AudioError, CodecError, first_error

CORPUS_SUFFIX = ".i16"
CORPUS_RATE = 16_000
"""A built corpus is one headerless file of 16-bit mono samples."""


@dataclass(frozen=True)
class Clip:
    """A part of a file.

    Attributes:
        name: unique in its set.
        path: of the audio file, or of a built corpus' ``audio.i16``.
        domain: speech, music or sound.
        source: what recordings have in common that are not independent: a reader's chapter, a song.
        start: in s.
        duration: in s; None: to the end.
        text: what is said, where it is known.
        language: of ``text``, as in ``en``.
        stream: which audio stream of a container with several.
    """

    name: str
    path: str
    domain: Domain
    source: str
    start: float = 0.0
    duration: float | None = None
    text: str | None = None
    language: str | None = None
    stream: int = 0

    def load(self) -> tuple[np.ndarray, int]:
        """``(samples,)`` float32, the mean over channels, and its sample rate in Hz.

        Raises:
            AudioError: the file is missing, unreadable, or ends before the clip begins.
        """
        path = Path(self.path)
        if not path.is_file():
            raise AudioError(f"{path}: no such file")
        wave, sample_rate = _corpus(self) if path.suffix == CORPUS_SUFFIX else _file(self)
        if not wave.size:
            raise AudioError(f"{path}: no audio from {self.start} s on")
        return np.nan_to_num(wave.mean(1), posinf=0, neginf=0).astype(np.float32), sample_rate


def write_manifest(clips: Iterable[Clip], path: Path) -> None:
    """A JSON object a line.

    Raises:
        CodecError: the file cannot be written.
    """
    with atomic_write(path) as handle:
        for clip in clips:
            handle.write((json.dumps(asdict(clip), ensure_ascii=False) + "\n").encode())


def read_manifest(path: Path) -> list[Clip]:
    """What `write_manifest` wrote; paths that are not absolute count from the manifest's folder.

    Raises:
        CodecError: missing, empty, damaged, or with two clips of one name.
    """
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CodecError(f"{path}: not a readable manifest ({error})") from error
    clips = [_parse(line, f"{path}, line {number}") for number, line in enumerate(lines, 1) if line.strip()]
    if not clips:
        raise CodecError(f"{path}: no clips in it")
    if len({clip.name for clip in clips}) < len(clips):
        raise CodecError(f"{path}: two clips have the same name")
    return [Clip(**{**asdict(clip), "path": str(path.parent / clip.path)}) for clip in clips]


def _parse(line: str, where: str) -> Clip:
    try:
        clip = TypeAdapter(Clip).validate_json(line)
    except ValidationError as error:
        raise CodecError(f"{where}: {first_error(error)}") from error
    if not (0 <= clip.start < 1e9 and (clip.duration is None or 0 < clip.duration < 1e9) and clip.stream >= 0):
        raise CodecError(f"{where}: start, duration or stream is out of range")
    return clip


def _span(clip: Clip, sample_rate: int) -> tuple[int, int]:
    """First sample and number of samples, −1 for all the rest."""
    return round(clip.start * sample_rate), -1 if clip.duration is None else round(clip.duration * sample_rate)


def _corpus(clip: Clip) -> tuple[np.ndarray, int]:
    start, samples = _span(clip, CORPUS_RATE)
    wave = np.fromfile(clip.path, "<i2", samples, offset=2 * start)
    return from_int16(wave[:, None]), CORPUS_RATE


def _file(clip: Clip) -> tuple[np.ndarray, int]:
    if clip.stream:
        return _stream(clip)
    with AudioReader(clip.path) as reader:
        start, samples = _span(clip, reader.info.sample_rate)
        reader.skip(start)
        wave = _first(reader.blocks(), samples, reader.info.channels)
        if samples < 0 or len(wave) < samples:
            for clause in reader.missing:
                warnings.warn(f"{clip.path}: {clause}", CutAudioWarning, stacklevel=3)
        return wave, reader.info.sample_rate


def _stream(clip: Clip) -> tuple[np.ndarray, int]:
    """One of several audio streams, through ffmpeg."""
    if not is_installed():
        raise AudioError(f"{clip.path}: stream {clip.stream} of a container needs ffmpeg: install it")
    with open(clip.path, "rb", buffering=0) as handle:
        try:
            decoder = FfmpegDecoder(clip.path, handle, clip.stream)
        except AudioError as error:
            raise AudioError(f"{clip.path}: cannot read audio stream {clip.stream}") from error
        try:
            start, samples = _span(clip, decoder.info.sample_rate)
            decoder.skip(start)
            return _first(_blocks(decoder), samples, decoder.info.channels), decoder.info.sample_rate
        finally:
            decoder.close()


def _blocks(decoder: FfmpegDecoder) -> Iterator[np.ndarray]:
    while len(block := decoder.read(BLOCK_SAMPLES)):
        yield block


def _first(blocks: Iterable[np.ndarray], samples: int, channels: int) -> np.ndarray:
    """The first so many, ``(n, channels)``; −1 for all."""
    found = [np.zeros((0, channels), np.float32)]
    count = 0
    for block in blocks:
        if 0 <= samples <= count:
            break
        found.append(block)
        count += len(block)
    return np.concatenate(found)[: samples if samples >= 0 else None]
