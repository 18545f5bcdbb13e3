"""Where results go: files that appear whole or not at all, standard output, devices and named pipes."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import soundfile

from codec.atomic import atomic_path, atomic_write
from codec.errors import CodecError


class CountingSink:
    """A binary sink that knows how much went through it; pipes cannot tell."""

    def __init__(self, handle: IO[bytes]) -> None:
        self._handle, self.count = handle, 0

    def write(self, data: bytes) -> int:
        """Passes ``data`` on."""
        self.count += len(data)
        return self._handle.write(data)


def standard_output() -> IO[bytes]:
    """Standard output, for bytes.

    Raises:
        CodecError: it is closed.
    """
    if sys.stdout is None:  # what Python makes of a closed descriptor
        raise CodecError("standard output is closed")
    return sys.stdout.buffer


def standard_input() -> IO[bytes]:
    """Standard input, for bytes.

    Raises:
        CodecError: it is closed.
    """
    if sys.stdin is None:
        raise CodecError("standard input is closed")
    return sys.stdin.buffer


@contextmanager
def open_target(target: str) -> Iterator[CountingSink]:
    """A file that appears when all is written, or ``-`` for standard output, or a device or named pipe.

    Raises:
        CodecError: it cannot be written.
    """
    if target == "-" or is_special(target):
        with _open_special(target) as handle:
            yield CountingSink(handle)
    else:
        with atomic_write(Path(target)) as handle:
            yield CountingSink(handle)


@contextmanager
def open_audio_target(
    target: str, sample_rate: int, channels: int, huge: bool = False, comment: str = ""
) -> Iterator[soundfile.SoundFile]:
    """Opens a target for audio, as `open_target` does for bytes.

    Args:
        target: its suffix names the format; ``-`` is wav.
        sample_rate: in Hz.
        channels: interleaved.
        huge: a wav of more than 4 GB is to be expected.
        comment: kept in the file where its format has a place for one.

    Raises:
        CodecError: no such format, not for such audio, or it cannot be written.
    """
    suffix = Path(target).suffix.lower() or (".wav" if target == "-" or is_special(target) else "")
    format = {"OPUS": "OGG", "OGA": "OGG", "AIF": "AIFF"}.get(suffix[1:].upper(), suffix[1:].upper())
    if format not in soundfile.available_formats():
        raise CodecError(f"{target}: cannot write {suffix or 'files without a suffix'}; use .wav, .flac, .ogg, .mp3 or .opus")
    format = "RF64" if format == "WAV" and huge else format
    subtype = "OPUS" if suffix == ".opus" else None
    with _audio_path(target) as temporary:
        try:
            # As bytes: soundfile takes no names that are not UTF-8 otherwise.
            with soundfile.SoundFile(os.fsencode(temporary), "w", sample_rate, channels, subtype, format=format) as sink:
                if comment and target != "-":
                    with contextlib.suppress(soundfile.SoundFileError):  # au and w64 have no place for one
                        sink.comment = comment
                yield sink
        except CodecError:
            raise
        except (soundfile.SoundFileError, TypeError, ValueError) as error:
            # libsndfile forgets what the system said, and names the temporary file.
            if "System error" in str(error):
                raise CodecError(f"cannot write {target}: the system refuses; is the disk full?") from error
            raise CodecError(f"cannot write {channels} channels at {sample_rate} Hz to {target}: {error}") from error


@contextmanager
def _audio_path(target: str) -> Iterator[Path]:
    """Where to write audio: beside the target, or in a scratch folder for what cannot seek, which wav headers need."""
    if target != "-" and not is_special(target):
        with atomic_path(Path(target)) as temporary:
            yield temporary
        return
    with tempfile.TemporaryDirectory(prefix="codec-") as folder:
        scratch = Path(folder) / "scratch.wav"
        yield scratch
        with scratch.open("rb") as source, _open_special(target) as handle:
            shutil.copyfileobj(source, handle)


@contextmanager
def _open_special(target: str) -> Iterator[IO[bytes]]:
    if target == "-":
        handle = standard_output()
        yield handle
        handle.flush()
        return
    try:
        with open(target, "wb") as handle:
            yield handle
    except BrokenPipeError:
        raise
    except OSError as error:
        raise CodecError(f"cannot write {target}: {error.strerror}") from error


def is_special(target: str) -> bool:
    """A device or a named pipe, such as /dev/null: never to be replaced by a file."""
    path = Path(target)
    return path.exists() and not path.is_file() and not path.is_dir()
