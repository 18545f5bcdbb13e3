"""The only place that starts ffmpeg on strangers' files, for the formats that libsndfile does not read.

ffmpeg follows what files name: playlists, lists of files to join, subtitles, image sequences. Here it gets bytes on a pipe, no
protocol but that pipe, and only demuxers of formats that hold their audio themselves.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO, BinaryIO

import numpy as np

from codec.audio.formats import Piece, Spliced, Window
from codec.audio.formats.mp4 import another, index_first, is_mp4
from codec.audio.pcm import read_wav_header
from codec.errors import AudioError

DEMUXERS = (
    *("aac", "ac3", "aiff", "amr", "amrnb", "amrwb", "ape", "asf", "au", "avi", "caf", "dsf", "dts", "dtshd", "eac3", "flac"),
    *("flv", "g722", "gsm", "iff", "loas", "matroska", "mlp", "mov", "mp3", "mpc", "mpc8", "mpeg", "mpegts", "nistsphere"),
    *("nut", "ogg", "oma", "rm", "shn", "tak", "truehd", "tta", "voc", "w64", "wav", "wv", "xwma"),
)
"""Containers and bare streams; none of them opens another file."""
NAMED = {".g722": "g722"}
"""Headerless: told by their suffix alone."""
SLACK_SECONDS = 0.1
"""By which a declared duration may differ from the audio: encoders count their delay or not."""
KEPT_LINES = 3
SKIPPED_SAMPLES = 1 << 18
_DURATION = re.compile(r"^\[info\]   Duration: (\d+):(\d\d):(\d\d\.\d+)")
_COMPLAINT = re.compile(r"^(?:\[[^\]]* @ [^\]]*\] )?\[(?:error|fatal|panic)\] (.*)")


def is_installed() -> bool:
    """Whether there is an ffmpeg to start."""
    return shutil.which("ffmpeg") is not None


class FfmpegDecoder:
    """One audio stream of a file, as blocks of ``(samples, channels)`` float32.

    Args:
        name: of the file, for messages; its suffix tells of headerless formats.
        handle: of the file; nobody else may read it meanwhile.
        stream: which audio stream of a container with several.

    Raises:
        AudioError: not audio that ffmpeg reads.
    """

    def __init__(self, name: str, handle: BinaryIO, stream: int = 0) -> None:
        self.name, self.samples = name, 0
        self._complaints: list[str] = []
        self._seconds: float | None = None
        self._streams = 0
        window = Window(handle)
        self._longest = window.size
        pieces, self._told = _pieces(window)  # before there is a process that nobody would end
        named = NAMED.get(Path(name).suffix.lower())
        source = [*(["-f", named] if named else []), "-protocol_whitelist", "pipe", "-format_whitelist", ",".join(DEMUXERS)]
        command = ["ffmpeg", "-nostdin", "-hide_banner", "-nostats", "-loglevel", "level+info", *source, "-i", "pipe:0"]
        target = ["-map", f"0:a:{stream}", "-map_metadata", "-1", "-c:a", "pcm_f32le", "-f", "wav", "pipe:1"]
        self._process = subprocess.Popen(
            [*command, *target], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._output = self._process.stdout
        # Pipes that nobody empties fill up: one thread feeds it, one listens to what it says.
        self._threads = [
            threading.Thread(target=_feed, args=(Spliced(handle, pieces), self._process.stdin), daemon=True),
            threading.Thread(target=self._listen, args=(self._process.stderr,), daemon=True),
        ]
        for thread in self._threads:
            thread.start()
        try:
            self.info = read_wav_header(self._output).info
        except AudioError:
            self.close()
            reason = f" ({self._complaints[0]})" if self._complaints else ""
            raise AudioError(f"{name}: not a readable audio file{reason}") from None

    def read(self, size: int) -> np.ndarray:
        """The next samples, ``(n, channels)``; fewer than ``size`` at the end only."""
        width = 4 * self.info.channels
        raw = self._output.read(size * width)
        block = np.frombuffer(raw[: len(raw) - len(raw) % width], "<f4").reshape(-1, self.info.channels).copy()
        self.samples += len(block)
        return block

    def skip(self, samples: int) -> None:
        """Goes past so many."""
        while samples > 0 and (passed := len(self.read(min(samples, SKIPPED_SAMPLES)))):
            samples -= passed

    def missing(self) -> tuple[str, ...]:
        """What is known to be lost, once everything was read.

        Raises:
            AudioError: nothing was readable.
        """
        code = self._process.wait()
        for thread in self._threads:
            thread.join()
        if code and not self.samples:
            raise AudioError(f"{self.name}: damaged audio (ffmpeg exit code {code})")
        if self._complaints or code:
            return *self._told, f"damaged: ffmpeg says {'; '.join(self._complaints) or f'exit code {code}'}"
        seconds = self.samples / self.info.sample_rate
        # A container's duration is that of its longest stream; and a second takes a byte, else the number is a placeholder.
        told = self._seconds if self._streams == 1 and self._seconds and self._seconds < self._longest else 0.0
        if seconds < told - SLACK_SECONDS:
            return *self._told, f"cut short: {seconds:.2f} of {told:.2f} s are there"
        return self._told

    def close(self) -> None:
        """Ends ffmpeg."""
        self._process.kill()
        self._process.wait()
        for thread in self._threads:
            thread.join()
        self._output.close()

    def _listen(self, log: IO[bytes]) -> None:
        """Keeps the first complaints; a badly damaged file has no end of them."""
        inside = True
        with log:
            for line in log:
                text = line[:500].decode("utf-8", "replace").strip()
                if found := _DURATION.match(text):
                    hours, minutes, seconds = found.groups()
                    self._seconds = int(hours) * 3600 + int(minutes) * 60 + float(seconds)
                inside &= not text.startswith("[info] Output #")
                self._streams += inside and text.startswith("[info]   Stream #") and " -> " not in text
                if (found := _COMPLAINT.match(text)) and len(self._complaints) < KEPT_LINES:
                    self._complaints.append(found[1][:200])


def _pieces(window: Window) -> tuple[Sequence[Piece], tuple[str, ...]]:
    """The file in an order that needs no seeking, without what only confuses; and what of it is not decoded."""
    if is_mp4(window.at(0, 16)):
        rest = another(window)
        return index_first(window), (f"another file of {rest} bytes follows in the same one, and is not read",) if rest else ()
    # Where it cannot seek, ffmpeg takes a tag at the end for a damaged frame.
    foot = window.at(max(0, window.size - 32), 32)
    tag = int.from_bytes(foot[12:16], "little") + 32 * (foot[23:24] >= b"\x80") if foot[:8] == b"APETAGEX" else 0
    return ((0, max(0, window.size - tag)),), ()


def _feed(source: Spliced, pipe: IO[bytes]) -> None:
    # It stops listening once it has what it wants.
    with contextlib.suppress(BrokenPipeError, OSError), pipe:
        shutil.copyfileobj(source, pipe, 1 << 16)
