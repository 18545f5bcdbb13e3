"""Classical codecs run as programs of their own, on 16-bit samples, with lists of arguments and never a shell."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from codec.audio.io import resample
from codec.audio.pcm import from_int16
from codec.audio.samples import as_batch
from codec.baselines.interface import Encoded
from codec.baselines.stopping import check
from codec.errors import AudioError, CodecError
from codec.limits import as_sample_rate

TIMEOUT = 600
"""Seconds that a program may take for one clip."""
LOOK_EVERY = 0.1
"""Seconds between looks whether somebody still waits for a program."""


@dataclass(frozen=True)
class Packed:
    """What a program wrote.

    Attributes:
        data: its file, for its decoder.
        bits: of the audio in it, without the file format.
    """

    data: bytes
    bits: int


class Coder(Protocol):
    """A pair of programs at one operating point."""

    @property
    def sample_rate(self) -> int:
        """The sample rate that the program takes, in Hz."""
        ...

    @property
    def bitrate(self) -> float:
        """Nominal, in bits per second."""
        ...

    @property
    def version(self) -> str:
        """The version of the program."""
        ...

    @property
    def delay(self) -> float:
        """Seconds by which what ``expand`` gives is late: what the format declares is taken out before."""
        ...

    def compress(self, pcm: np.ndarray) -> Packed:
        """``(samples,)`` int16, not empty, at ``sample_rate``."""
        ...

    def expand(self, data: bytes) -> tuple[np.ndarray, int]:
        """Back to ``(samples,)`` int16 and their sample rate; neither shifted nor cut beyond what the file declares."""
        ...


class ProgramCodec:
    """A `Reconstructor` made of programs.

    Args:
        name: as it was asked for.
        coder: the programs.
    """

    trained = True

    def __init__(self, name: str, coder: Coder) -> None:
        self.name, self._coder = name, coder
        self.version, self.sample_rate, self.bitrate = coder.version, coder.sample_rate, coder.bitrate
        self.delay: float | None = coder.delay

    def encode(self, wave: np.ndarray, sample_rate: int) -> Encoded:
        """Resamples, rounds to 16 bit and runs the encoder."""
        clean = checked(wave, sample_rate)
        narrow = resample(clean[None], sample_rate, self.sample_rate)[0]
        pcm = np.rint(np.clip(narrow, -1, 1) * 32767).astype("<i2")
        packed = self._coder.compress(pcm) if len(pcm) else Packed(b"", 0)
        return Encoded(packed.bits, len(clean), sample_rate, packed.data)

    def decode(self, encoded: Encoded) -> np.ndarray:
        """Runs the decoder, resamples back and takes out the delay; the end is cut or filled to the input's length."""
        assert isinstance(encoded.payload, bytes)
        if not encoded.payload:
            return np.zeros(encoded.samples, np.float32)
        pcm, rate = self._coder.expand(encoded.payload)
        wave = resample(from_int16(pcm)[None], rate, encoded.sample_rate)[0]
        return fit(wave[round(self._coder.delay * encoded.sample_rate) :], encoded.samples)


def checked(wave: np.ndarray, sample_rate: int) -> np.ndarray:
    """``(samples,)`` float32 without NaN.

    Raises:
        AudioError: samples of another shape, type or scale, or an impossible sample rate.
    """
    if wave.ndim != 1:
        raise AudioError(f"audio of shape {wave.shape}: (samples,) is expected")
    as_sample_rate(sample_rate)
    return as_batch(wave)[0]


def fit(wave: np.ndarray, samples: int) -> np.ndarray:
    """Cuts or fills the end with zeros."""
    return np.pad(wave, (0, max(0, samples - len(wave))))[:samples].astype(np.float32)


def find(program: str, package: str) -> str:
    """Path of a program.

    Raises:
        CodecError: it is not installed; names the Debian package.
    """
    path = shutil.which(program)
    if path is None:
        raise CodecError(f"the program {program} is not installed: apt-get install {package}")
    return path


def run(arguments: Sequence[str | Path], data: bytes = b"") -> bytes:
    """Runs a program on standard input.

    Returns:
        Its standard output.

    Raises:
        CodecError: it failed or hung; with the last line that it wrote.
    """
    name = Path(arguments[0]).name
    done = finish(name, arguments, data)
    refuse_failure(name, done.returncode, done.stderr)
    return done.stdout


def refuse_failure(name: str, code: int, said: bytes) -> None:
    """Makes an error of a program's exit code.

    Args:
        name: of the program.
        code: its exit code.
        said: what it wrote for people.

    Raises:
        CodecError: the code is not 0; with the last line.
    """
    if code:
        lines = said.decode("utf-8", "replace").strip().splitlines() or ["no message"]
        raise CodecError(f"{name} failed with exit code {code}: {lines[-1]}")


def finish(name: str, arguments: Sequence[str | Path], data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Runs a program on standard input to its end; kills it where nobody waits for it any more.

    Raises:
        CodecError: it is not there, or hung.
        StoppedError: it was killed for what is around this: `codec.baselines.stopping`.
    """
    until, pipe = time.monotonic() + TIMEOUT, subprocess.PIPE
    # A file rather than a pipe: what a pipe had not taken when somebody looked would never be sent.
    with tempfile.TemporaryFile() as given:
        given.write(data)
        given.seek(0)
        try:
            process = subprocess.Popen(list(arguments), stdin=given, stdout=pipe, stderr=pipe)
        except OSError as error:
            raise CodecError(f"{name}: {error.strerror}") from error
    with process:
        try:
            while True:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    output, errors = process.communicate(timeout=LOOK_EVERY)
                    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)
                check()
                if time.monotonic() > until:
                    raise CodecError(f"{name} did not finish within {TIMEOUT} s")
        finally:
            process.kill()  # does nothing where it has ended


@functools.cache
def version_line(path: str, option: str = "--version") -> str:
    """First line of what a program says about itself."""
    done = finish(Path(path).name, [path, option])
    lines = (done.stdout + done.stderr).decode("utf-8", "replace").strip().splitlines() or [path]
    return lines[0].strip()


@functools.cache
def file_version(path: str) -> str:
    """Name and hash of a program that does not tell its version."""
    return f"{Path(path).name} sha256:{hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16]}"
