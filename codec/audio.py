"""Audio files and pipes, read and written block by block so that memory stays flat in length.

libsndfile reads wav, flac, ogg, opus, mp3, aiff and more; anything else goes through ``ffmpeg`` if it is
installed. Samples are float32, full scale ±1, shape ``(samples, channels)`` inside this module.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
import soundfile
import soxr

from codec.errors import AudioError
from codec.limits import MAX_CHANNELS, is_sample_rate

BLOCK_SAMPLES = 1 << 18
AUDIO_SUFFIXES = frozenset(
    f".{suffix}"
    for suffix in (
        *("wav", "flac", "ogg", "oga", "opus", "mp3", "aif", "aiff", "aifc", "au", "caf", "w64", "rf64"),
        *("m4a", "aac", "mp4", "wma", "amr", "webm", "mka", "g722"),
    )
)
# Headerless or unsniffable formats need to be named to ffmpeg.
_FFMPEG_FORMATS = {".g722": "g722"}
_FFPROBE = [
    "ffprobe",
    "-v",
    "error",
    "-select_streams",
    "a:0",
    "-show_entries",
    "stream=sample_rate,channels",
    "-of",
    "csv=p=0",
]


@dataclass(frozen=True)
class AudioInfo:
    """What is known of a file before it is decoded.

    Attributes:
        sample_rate: in Hz.
        channels: number of interleaved channels.
    """

    sample_rate: int
    channels: int


class AudioReader:
    """Streams one file as float32 blocks of shape ``(samples, channels)``.

    Args:
        path: a file, or ``-`` for standard input (spooled to a temporary file, since most formats need to seek).

    Raises:
        AudioError: the file is missing, a folder, empty, or not audio that can be read here.

    Example:
        >>> with AudioReader("tests/data/speech.flac") as reader:  # doctest: +SKIP
        ...     for block in reader.blocks():
        ...         print(block.shape)
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.name = os.fspath(path)
        self._stack = contextlib.ExitStack()
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self._open(self._spool_stdin() if self.name == "-" else Path(self.name))
        except BaseException:
            self._stack.close()
            raise
        if not is_sample_rate(self.info.sample_rate):
            self.close()
            raise AudioError(f"{self.name}: sample rate {self.info.sample_rate} Hz is outside 1 kHz … 768 kHz")
        if not 1 <= self.info.channels <= MAX_CHANNELS:
            self.close()
            raise AudioError(f"{self.name}: {self.info.channels} channels, between 1 and {MAX_CHANNELS} are supported")

    def _spool_stdin(self) -> Path:
        handle = self._stack.enter_context(tempfile.NamedTemporaryFile(prefix="codec-stdin-"))  # noqa: SIM115 - the stack closes it
        shutil.copyfileobj(sys.stdin.buffer, handle)
        handle.flush()
        return Path(handle.name)

    def _open(self, path: Path) -> None:
        if path.is_dir():
            raise AudioError(f"{self.name}: is a folder, not an audio file")
        if not path.exists():
            raise AudioError(f"{self.name}: no such file")
        try:
            empty = path.stat().st_size == 0 and path.is_file()
        except OSError as error:
            raise AudioError(f"{self.name}: {error.strerror}") from error
        if empty:
            raise AudioError(f"{self.name}: file is empty")
        try:
            handle = self._stack.enter_context(soundfile.SoundFile(os.fsencode(path)))
        except (soundfile.SoundFileError, OSError, TypeError) as error:
            self._open_ffmpeg(path, reason=str(error))
            return
        self._handle = handle
        self.info = AudioInfo(handle.samplerate, handle.channels)

    def _open_ffmpeg(self, path: Path, reason: str) -> None:
        if not os.access(path, os.R_OK):
            raise AudioError(f"{self.name}: permission denied")
        if shutil.which("ffmpeg") is None or shutil.which("ffprobe") is None:
            raise AudioError(f"{self.name}: not audio that libsndfile reads; install ffmpeg if it is some other audio format")
        named = ["-f", _FFMPEG_FORMATS[path.suffix.lower()]] if path.suffix.lower() in _FFMPEG_FORMATS else []
        # 'file:' keeps a hostile name from being taken for a protocol; the whitelist keeps playlists offline.
        source = [*named, "-protocol_whitelist", "file,pipe", "-i", f"file:{path.resolve()}"]
        probe = subprocess.run(
            [*_FFPROBE, *source],
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
        )
        fields = probe.stdout.strip().split("\n")[0].split(",")
        if probe.returncode or len(fields) < 2 or not all(field.isdigit() for field in fields[:2]):
            raise AudioError(f"{self.name}: not a readable audio file")
        self.info = AudioInfo(int(fields[0]), int(fields[1]))
        self._process = subprocess.Popen(
            ["ffmpeg", "-v", "error", "-nostdin", *source, "-map", "0:a:0", "-f", "f32le", "-"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # a pipe that nobody reads would fill up and stall it on badly damaged files
            stdin=subprocess.DEVNULL,
        )

    def blocks(self, size: int = BLOCK_SAMPLES) -> Iterator[np.ndarray]:
        """Yields float32 arrays ``(n, channels)``, ``n ≤ size``; NaN and infinite samples become zero.

        Raises:
            AudioError: the file breaks off or turns out to be damaged.
        """
        read = self._read_ffmpeg if self._process is not None else self._read_sndfile
        while len(block := read(size)):
            yield np.nan_to_num(block, copy=False, nan=0.0, posinf=0.0, neginf=0.0)

    def skip(self, samples: int) -> None:
        """Goes past ``samples`` of every channel without decoding them where the format can; beyond the end, nothing is left.

        Raises:
            AudioError: the file is damaged there.
        """
        if self._process is None:
            try:
                self._handle.seek(min(samples, self._handle.frames))
            except (soundfile.SoundFileError, RuntimeError) as error:
                raise AudioError(f"{self.name}: damaged audio ({error})") from error
            return
        while samples and (passed := len(self._read_ffmpeg(min(samples, BLOCK_SAMPLES)))):
            samples -= passed

    def _read_sndfile(self, size: int) -> np.ndarray:
        try:
            return self._handle.read(size, dtype="float32", always_2d=True)
        except (soundfile.SoundFileError, RuntimeError) as error:
            raise AudioError(f"{self.name}: damaged audio ({error})") from error

    def _read_ffmpeg(self, size: int) -> np.ndarray:
        assert self._process is not None
        assert self._process.stdout is not None
        raw = self._process.stdout.read(size * self.info.channels * 4)
        if not raw and self._process.wait() != 0:
            raise AudioError(f"{self.name}: damaged audio (ffmpeg exit code {self._process.returncode})")
        usable = len(raw) - len(raw) % (4 * self.info.channels)
        return np.frombuffer(raw[:usable], "<f4").reshape(-1, self.info.channels).copy()

    def close(self) -> None:
        """Releases the file and any helper process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
        self._stack.close()

    def __enter__(self) -> AudioReader:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def read_audio(path: str | os.PathLike[str]) -> tuple[np.ndarray, int]:
    """Reads a whole file.

    Returns:
        ``(channels, samples)`` float32 in ±1, and the sample rate in Hz.
    """
    with AudioReader(path) as reader:
        blocks = list(reader.blocks())
        wave = np.concatenate(blocks) if blocks else np.zeros((0, reader.info.channels), np.float32)
        return np.ascontiguousarray(wave.T), reader.info.sample_rate


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
