"""One recording of a test set, and the manifest that fixes which ones a figure is about."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import soundfile
from pydantic import TypeAdapter, ValidationError

from codec.atomic import atomic_write
from codec.audio import AudioReader
from codec.errors import AudioError, CodecError, first_error
from eval.reconstruction.interface import Domain

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
    return wave[:, None].astype(np.float32) / 32768, CORPUS_RATE


def _file(clip: Clip) -> tuple[np.ndarray, int]:
    if clip.stream:
        return _stream(clip)
    try:
        with soundfile.SoundFile(os.fsencode(clip.path)) as handle:
            start, samples = _span(clip, handle.samplerate)
            handle.seek(min(start, handle.frames))
            return handle.read(samples, dtype="float32", always_2d=True), handle.samplerate
    except (soundfile.SoundFileError, RuntimeError, OSError):
        with AudioReader(clip.path) as reader:  # what libsndfile cannot read or seek in, from its beginning
            start, samples = _span(clip, reader.info.sample_rate)
            wave = np.concatenate([*reader.blocks(), np.zeros((0, reader.info.channels), np.float32)])
            return wave[start:][: samples if samples >= 0 else None], reader.info.sample_rate


def _stream(clip: Clip) -> tuple[np.ndarray, int]:
    """One of several audio streams, through ffmpeg."""
    if shutil.which("ffmpeg") is None:
        raise AudioError(f"{clip.path}: stream {clip.stream} of a container needs ffmpeg: install it")
    with AudioReader(clip.path) as reader:
        sample_rate = reader.info.sample_rate
    # 'file:' keeps a hostile name from being taken for a protocol; the whitelist keeps playlists offline.
    source = ["-protocol_whitelist", "file,pipe", "-i", f"file:{Path(clip.path).resolve()}"]
    # After the input: exact, where a seek before it is not in compressed files.
    part = ["-ss", str(clip.start), *([] if clip.duration is None else ["-t", str(clip.duration)])]
    wanted = ["-map", f"0:a:{clip.stream}", "-ac", "1", "-ar", str(sample_rate), "-f", "f32le", "-"]
    command = ["ffmpeg", "-v", "error", "-nostdin", *source, *part, *wanted]
    done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise AudioError(f"{clip.path}: cannot read audio stream {clip.stream}")
    return np.frombuffer(done.stdout, "<f4").reshape(-1, 1), sample_rate
