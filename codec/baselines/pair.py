"""Any two programs as a codec: one turns a wav file into a file of bits, the other turns that into a wav file."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import tempfile
from pathlib import Path

import numpy as np
import soundfile

from codec.audio.io import resample
from codec.baselines.interface import Encoded
from codec.baselines.programs import checked, finish, fit, refuse_failure
from codec.errors import CodecError
from codec.provenance import sha256_of

IN, BITS, OUT = "{in}", "{bits}", "{out}"


class PairCodec:
    """A `Reconstructor` made of two command lines, run without a shell.

    The encoder gets a mono wav file of 16 bits at the clip's own sample rate as ``{in}`` and writes ``{bits}``, whose size
    counts; the decoder gets ``{bits}`` and writes ``{out}``, a file that libsndfile reads, at any rate. What its delay is
    nobody knows, so that evaluations measure it. Its version follows from what the command lines name, not from what a
    program imports or opens by itself.

    Args:
        name: for tables.
        encoder: with ``{in}`` and ``{bits}``.
        decoder: with ``{bits}`` and ``{out}``.

    Raises:
        CodecError: a place for a file is not named, or a program is not there.
    """

    trained = True
    delay: float | None = None
    sample_rate, bitrate = 16_000, 0.0

    def __init__(self, name: str, encoder: str, decoder: str) -> None:
        self.name = name
        self._encoder, self._decoder = _words(encoder, (IN, BITS)), _words(decoder, (BITS, OUT))
        self.version = _version((self._encoder, self._decoder), encoder, decoder)

    def encode(self, wave: np.ndarray, sample_rate: int) -> Encoded:
        """Runs the first program."""
        clean = checked(wave, sample_rate)
        if not len(clean):
            return Encoded(0, 0, sample_rate, b"")
        with tempfile.TemporaryDirectory() as folder:
            sound, bits = Path(folder) / "in.wav", Path(folder) / "bits"
            soundfile.write(sound, np.clip(clean, -1, 1), sample_rate, "PCM_16")
            _run(self._encoder, {IN: sound, BITS: bits})
            data = _written(bits, self._encoder[0])
        return Encoded(8 * len(data), len(clean), sample_rate, data)

    def decode(self, encoded: Encoded) -> np.ndarray:
        """Runs the second one; the end is cut or filled to the input's length."""
        assert isinstance(encoded.payload, bytes)
        if not encoded.samples:
            return np.zeros(0, np.float32)
        with tempfile.TemporaryDirectory() as folder:
            bits, sound = Path(folder) / "bits", Path(folder) / "out.wav"
            bits.write_bytes(encoded.payload)
            _run(self._decoder, {BITS: bits, OUT: sound})
            _written(sound, self._decoder[0])
            try:
                wave, rate = soundfile.read(sound, dtype="float32", always_2d=True)
            except soundfile.LibsndfileError as error:
                raise CodecError(f"{self._decoder[0]} wrote what is no audio file: {error}") from error
        return fit(resample(wave.mean(1)[None], rate, encoded.sample_rate)[0], encoded.samples)


def _words(command: str, places: tuple[str, str]) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise CodecError(f"{command!r} is no command line: {error}") from error
    if missing := [place for place in places if not any(place in word for word in words)]:
        raise CodecError(f"{command!r} has no place for {missing[0]}")
    if shutil.which(words[0]) is None:
        raise CodecError(f"the program {words[0]} is not installed")
    return words


def _version(words: tuple[list[str], list[str]], *commands: str) -> str:
    """Of the commands, their programs, and every file that one of their words names: an interpreter's program, weights."""
    digest = hashlib.sha256("\0".join(commands).encode())
    for program, *_ in words:
        digest.update(Path(shutil.which(program) or program).read_bytes())
    for path in _files([word for _, *rest in words for word in rest]):
        digest.update(sha256_of(path).encode())
    return f"sha256:{digest.hexdigest()[:16]}"


def _files(words: list[str]) -> list[Path]:
    """Those that there are, also behind an option, as in ``--weights=model.pt``."""
    named = [part for word in words for part in (word, word.partition("=")[2])]
    return [Path(part) for part in named if os.path.isfile(part)]  # a path would raise on a long word, as of python -c


def _run(words: list[str], files: dict[str, Path]) -> None:
    done = finish(words[0], [_filled(word, files) for word in words])
    refuse_failure(words[0], done.returncode, done.stderr + done.stdout)


def _filled(word: str, files: dict[str, Path]) -> str:
    for place, path in files.items():
        word = word.replace(place, str(path))
    return word


def _written(path: Path, program: str) -> bytes:
    if not path.is_file():
        raise CodecError(f"{program} ended well and wrote nothing to {path.name}")
    return path.read_bytes()
