"""Audio files and pipes, read and written block by block so that memory stays flat in length.

libsndfile reads wav, flac, ogg, opus, mp3, aiff and more; anything else goes through ``ffmpeg`` if it is
installed. What a file promises and does not hold is told.
Samples are float32, full scale ±1, shape ``(samples, channels)`` inside this module.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, BinaryIO

import numpy as np
import soundfile
import soxr

from codec.audio.ffmpeg import FfmpegDecoder, is_installed
from codec.audio.formats import Window, layout_of
from codec.audio.pcm import AudioInfo, told_of
from codec.audio.sndfile import SndfileDecoder
from codec.errors import AudioError
from codec.limits import MAX_CHANNELS, is_sample_rate
from codec.outputs import standard_input

__all__ = [
    "AUDIO_SUFFIXES", "BLOCK_SAMPLES", "AudioInfo", "AudioReader", "CutAudioWarning", "Resampler", "read_audio", "resample",
]  # fmt: skip
BLOCK_SAMPLES = 1 << 18
AUDIO_SUFFIXES = frozenset(
    f".{suffix}"
    for suffix in (
        *("wav", "flac", "ogg", "oga", "opus", "mp3", "mp2", "aif", "aiff", "aifc", "au", "caf", "w64", "rf64"),
        *("m4a", "m4b", "aac", "ac3", "eac3", "wma", "amr", "g722", "wv", "tta", "ape", "mpc", "dts", "spx", "mka"),
        *("mp4", "m4v", "mov", "3gp", "3g2", "mkv", "webm", "avi", "flv", "wmv", "ogv", "mpg", "mpeg"),
    )
)


class CutAudioWarning(UserWarning):
    """A file was read whose end, or something in its middle, is missing."""


class AudioReader:
    """Streams one file as float32 blocks of shape ``(samples, channels)``.

    Args:
        source: a file's path, ``-`` for standard input, or a binary file that can seek.
        strict: refuse files of which something is missing, once that is found out: at their end.
        ffmpeg: read formats that libsndfile does not read through ffmpeg, if it is installed. It gets the file's bytes on a
            pipe, and nothing else.
        name: for messages, if ``source`` has none; its suffix tells formats without a header.

    Attributes:
        info: sample rate and channels.
        missing: what is known to be lost, a clause each: before the first block what headers tell, after the last one all.
        not_numbers: samples so far that were NaN or infinite, and became zero.

    Raises:
        AudioError: the file is missing, a folder, empty, or not audio that can be read here.

    Example:
        >>> with AudioReader("tests/data/speech.flac") as reader:  # doctest: +SKIP
        ...     for block in reader.blocks():
        ...         print(block.shape)
    """

    def __init__(
        self, source: str | os.PathLike[str] | BinaryIO, strict: bool = False, ffmpeg: bool = True, name: str | None = None
    ) -> None:
        self.name = name or _name_of(source)
        self.missing: tuple[str, ...] = ()
        self.not_numbers = 0
        self._strict, self._ffmpeg = strict, ffmpeg
        self._stack = contextlib.ExitStack()
        try:
            handle = self._opened(source) if isinstance(source, str | os.PathLike) else source
            self._decoder = self._decoding(handle)
            self._stack.callback(self._decoder.close)
            self.info = self._decoder.info
            if not is_sample_rate(self.info.sample_rate):
                raise AudioError(f"{self.name}: sample rate {self.info.sample_rate} Hz is outside 1 kHz … 768 kHz")
            if not 1 <= self.info.channels <= MAX_CHANNELS:
                raise AudioError(f"{self.name}: {self.info.channels} channels, between 1 and {MAX_CHANNELS} are supported")
        except BaseException:
            self._stack.close()
            raise

    def _opened(self, source: str | os.PathLike[str]) -> BinaryIO:
        if source == "-":
            return self._spooled(standard_input())
        path = Path(source)
        try:
            mode = path.stat().st_mode
            if stat.S_ISDIR(mode):
                raise AudioError(f"{self.name}: is a folder, not an audio file")
            if not stat.S_ISREG(mode) and not stat.S_ISFIFO(mode):
                raise AudioError(f"{self.name}: not a file")
            handle = self._stack.enter_context(path.open("rb", buffering=0))
        except FileNotFoundError as error:
            raise AudioError(f"{self.name}: no such file") from error
        except OSError as error:
            raise AudioError(f"{self.name}: {(error.strerror or str(error)).lower()}") from error
        return handle if stat.S_ISREG(mode) else self._spooled(handle)

    def _spooled(self, pipe: IO[bytes]) -> BinaryIO:
        """A pipe's content as a file without a name, since most formats need to seek."""
        handle = self._stack.enter_context(tempfile.TemporaryFile(prefix="codec-stdin-"))  # noqa: SIM115 - the stack closes it
        shutil.copyfileobj(pipe, handle, 1 << 20)
        handle.flush()
        return handle

    def _decoding(self, handle: BinaryIO) -> SndfileDecoder | FfmpegDecoder:
        window = Window(handle)
        if not window.size:
            raise AudioError(f"{self.name}: file is empty")
        if (layout := layout_of(window)) is not None:
            self.missing = layout.missing
            with contextlib.suppress(soundfile.SoundFileError, OSError, TypeError):
                return SndfileDecoder(self.name, handle, layout)
        if not self._ffmpeg:
            raise AudioError(
                f"{self.name}: not wav, flac, ogg, opus, mp3 or aiff; other formats need ffmpeg, which is not used"
            )
        if not is_installed():
            raise AudioError(f"{self.name}: not audio that libsndfile reads; install ffmpeg if it is some other audio format")
        return FfmpegDecoder(self.name, handle)

    def blocks(self, size: int = BLOCK_SAMPLES) -> Iterator[np.ndarray]:
        """Yields float32 arrays ``(n, channels)``, ``n ≤ size``; NaN and infinite samples become zero.

        Raises:
            AudioError: the file is damaged from the beginning, or anywhere if reading is strict.
        """
        while len(block := self._decoder.read(size)):
            self.not_numbers += block.size - int(np.isfinite(block).sum())
            yield np.nan_to_num(block, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
        self.missing = tuple(dict.fromkeys((*self.missing, *self._decoder.missing(), *told_of(self.not_numbers))))
        if self.missing and self._strict:
            raise AudioError(f"{self.name}: {self.missing[0]}")

    def skip(self, samples: int) -> None:
        """Goes past ``samples`` of every channel without decoding them where the format can; beyond the end, nothing is left.

        Raises:
            AudioError: the file is damaged there.
        """
        self._decoder.skip(samples)

    def close(self) -> None:
        """Releases the file and any helper process."""
        self._stack.close()

    def __enter__(self) -> AudioReader:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def read_audio(source: str | os.PathLike[str] | BinaryIO, strict: bool = False, ffmpeg: bool = True) -> tuple[np.ndarray, int]:
    """Reads a whole file; warns of what is missing (`CutAudioWarning`), or refuses such a file.

    Args:
        source: a file's path, ``-`` for standard input, or a binary file that can seek.
        strict: refuse files of which something is missing.
        ffmpeg: read formats that libsndfile does not read through ffmpeg.

    Returns:
        ``(channels, samples)`` float32 in ±1, and the sample rate in Hz.

    Raises:
        AudioError: not audio that can be read here.
    """
    wave, sample_rate, missing = read_what_is_there(source, strict, ffmpeg)
    for clause in missing:
        warnings.warn(f"{_name_of(source)}: {clause}", CutAudioWarning, stacklevel=2)
    return wave, sample_rate


def read_what_is_there(
    source: str | os.PathLike[str] | BinaryIO, strict: bool = False, ffmpeg: bool = True
) -> tuple[np.ndarray, int, tuple[str, ...]]:
    """Reads a whole file like `read_audio`, and returns what is missing, a clause each, instead of warning of it.

    Raises:
        AudioError: not audio that can be read here.
    """
    with AudioReader(source, strict, ffmpeg) as reader:
        blocks = list(reader.blocks())
        wave = np.concatenate(blocks) if blocks else np.zeros((0, reader.info.channels), np.float32)
    return np.ascontiguousarray(wave.T), reader.info.sample_rate, reader.missing


def _name_of(source: str | os.PathLike[str] | BinaryIO) -> str:
    return os.fspath(source) if isinstance(source, str | os.PathLike) else "audio"


class Resampler:
    """Band-limited sample-rate conversion of a stream (soxr HQ); ``push`` blocks, then ``flush``.

    Feeding one block or many gives the same samples.

    Args:
        from_rate: input rate in Hz.
        to_rate: output rate in Hz.
        channels: number of channels.
    """

    def __init__(self, from_rate: int, to_rate: int, channels: int) -> None:
        self.channels = channels
        self._stream = (
            soxr.ResampleStream(from_rate, to_rate, channels, dtype="float32", quality="HQ") if from_rate != to_rate else None
        )

    def push(self, block: np.ndarray) -> np.ndarray:
        """Converts ``(n, channels)``; returns what is ready."""
        return block if self._stream is None else self._run(block, last=False)

    def flush(self) -> np.ndarray:
        """Returns the samples still inside the filter."""
        nothing = np.zeros((0, self.channels), np.float32)
        return nothing if self._stream is None else self._run(nothing, last=True)

    def _run(self, block: np.ndarray, last: bool) -> np.ndarray:
        assert self._stream is not None
        flat = block[:, 0] if self.channels == 1 else block
        return np.asarray(self._stream.resample_chunk(np.ascontiguousarray(flat), last=last)).reshape(-1, self.channels)


def resample(wave: np.ndarray, from_rate: int, to_rate: int) -> np.ndarray:
    """Converts ``(channels, samples)`` from one rate to another, as `Resampler` does on a stream."""
    resampler = Resampler(from_rate, to_rate, wave.shape[0])
    block = np.ascontiguousarray(wave.T, dtype=np.float32)
    return np.ascontiguousarray(np.concatenate([resampler.push(block), resampler.flush()]).T)
