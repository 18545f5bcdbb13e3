"""Decoding by libsndfile, of what its own view of a file would leave out, too.

libsndfile believes what a file says of its length and stops there, reads the first of several streams, and keeps nothing of a
block in which it finds damage. It gets files by their descriptor, never by name: by name it looks for others beside them.
"""

from __future__ import annotations

import io
import os
from typing import BinaryIO

import numpy as np
import soundfile

from codec.audio.formats import Layout, Part, Spliced
from codec.audio.pcm import AudioInfo
from codec.errors import AudioError

_DAMAGE = (soundfile.SoundFileError, RuntimeError, ValueError)
"""The last: a position behind the end, out of hostile headers."""
SALVAGE_SAMPLES = 4096
"""At a time, in a block that is damaged."""
_NO_COUNT = 1 << 48
"""So many samples stand for a number that is not known."""


class SndfileDecoder:
    """The parts of a file, one after the other, as blocks of ``(samples, channels)`` float32.

    Args:
        name: of the file, for messages.
        handle: of the file; nobody else may read it meanwhile.
        layout: what it consists of.

    Raises:
        soundfile.SoundFileError, OSError, TypeError: not what libsndfile reads.
    """

    def __init__(self, name: str, handle: BinaryIO, layout: Layout) -> None:
        self.name, self._handle, self._layout = name, handle, layout
        self._missing = list(layout.missing)
        self._size = handle.seek(0, io.SEEK_END)
        self._number = self._position = self._read_samples = 0
        self._damaged = False
        self._file = self._open(layout.parts[0])
        self.info = AudioInfo(self._file.samplerate, self._file.channels)

    def _open(self, part: Part) -> soundfile.SoundFile:
        try:
            descriptor = self._handle.fileno() if part.pieces == ((0, self._size),) else None
        except OSError:
            descriptor = None  # bytes in memory
        if descriptor is None:
            return soundfile.SoundFile(Spliced(self._handle, part.pieces))
        os.lseek(descriptor, 0, os.SEEK_SET)
        return soundfile.SoundFile(descriptor, closefd=False)

    def read(self, size: int) -> np.ndarray:
        """The next samples, ``(n, channels)``, ``n ≤ size``; none at the end.

        Raises:
            AudioError: damaged from the beginning.
        """
        while True:
            block = self._read(size)
            self._position += len(block)
            self._read_samples += len(block)
            if len(block) or not self._next():
                return block

    def _read(self, size: int) -> np.ndarray:
        if self._damaged:
            return np.zeros((0, self.info.channels), np.float32)
        try:
            return self._file.read(size, dtype="float32", always_2d=True)
        except _DAMAGE as error:
            self._damaged = True
            found = self._salvaged()
            if not len(found) and not self._read_samples:
                raise AudioError(f"{self.name}: damaged audio ({error})") from error
            seconds = (self._position + len(found)) / self.info.sample_rate
            self._missing.append(f"damaged after {seconds:.2f} s, where reading ends")
            return found

    def _salvaged(self) -> np.ndarray:
        """What comes before the damage in a block that could not be read as a whole."""
        found = [np.zeros((0, self.info.channels), np.float32)]
        try:
            self._file.close()  # it is of no use any more once it has seen damage
            self._file = self._open(self._layout.parts[self._number])
            self._file.seek(self._position)
            while len(block := self._file.read(SALVAGE_SAMPLES, dtype="float32", always_2d=True)):
                found.append(block)
        except _DAMAGE:
            pass
        return np.concatenate(found)

    def _next(self) -> bool:
        """Goes on to the next part that continues this one; whether there is one."""
        self._check_end()
        count = len(self._layout.parts)
        while self._number + 1 < count:
            self._number += 1
            which = f"stream {self._number + 1} of {count}"
            try:
                following = self._open(self._layout.parts[self._number])
            except (soundfile.SoundFileError, OSError, TypeError):
                self._missing.append(f"{which} is not readable")
                continue
            if (following.samplerate, following.channels) != (self.info.sample_rate, self.info.channels):
                about = f"{following.channels} channels at {following.samplerate} Hz"
                self._missing.append(f"{which} has {about}, and is not read")
                following.close()
                continue
            self._file.close()
            self._file, self._position, self._damaged = following, 0, False
            return True
        return False

    def _check_end(self) -> None:
        told = self._layout.parts[self._number].samples or self._file.frames
        if self._position < told < _NO_COUNT and not self._missing:
            rate = self.info.sample_rate
            self._missing.append(f"damaged: {self._position / rate:.2f} of {told / rate:.2f} s are there")

    def skip(self, samples: int) -> None:
        """Goes past so many, without decoding them where that is possible.

        Raises:
            AudioError: damaged there.
        """
        if len(self._layout.parts) > 1:
            while samples > 0 and (passed := len(self.read(min(samples, 1 << 18)))):
                samples -= passed
            return
        told = self._layout.parts[0].samples or self._file.frames
        try:
            self._position = self._file.seek(min(samples, told))
        except _DAMAGE as error:
            raise AudioError(f"{self.name}: damaged audio ({error})") from error

    def missing(self) -> tuple[str, ...]:
        """What is known to be lost, once everything was read."""
        return tuple(self._missing)

    def close(self) -> None:
        """Releases the decoder."""
        self._file.close()
