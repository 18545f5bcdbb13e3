"""Clips of 1.5 s in every format that is read, and what happens to files on their way."""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

SECONDS = 1.5


@dataclass(frozen=True)
class Format:
    """How ffmpeg writes it.

    Attributes:
        suffix: of the file.
        options: of ffmpeg.
        form: ffmpeg's name of it, for pipes.
        frame: samples that one frame holds: as many may differ between decoders at a place that is damaged.
        stereo: at 44.1 kHz, else mono at 16 kHz.
    """

    suffix: str
    options: str = ""
    form: str | None = None
    frame: int = 1
    stereo: bool = True


FORMATS: Mapping[str, Format] = {
    "wav": Format("wav", "", "wav"),
    "wav-mono": Format("wav", "", "wav", stereo=False),
    "wav-24": Format("wav", "-c:a pcm_s24le", "wav"),
    "wav-float": Format("wav", "-c:a pcm_f32le", "wav"),
    "wav-mulaw": Format("wav", "-c:a pcm_mulaw", "wav"),
    "wav-adpcm": Format("wav", "-c:a adpcm_ms", "wav", 4096),
    "rf64": Format("wav", "-rf64 always", "wav"),
    "w64": Format("w64", "", "w64"),
    "aiff": Format("aiff", "", "aiff"),
    "au": Format("au", "", "au"),
    "caf": Format("caf", "", "caf"),
    "flac": Format("flac", "", "flac", 4608),
    "flac-mono": Format("flac", "", "flac", 4608, stereo=False),
    "ogg": Format("ogg", "-c:a libvorbis", "ogg", 2048),
    "ogg-mono": Format("ogg", "-c:a libvorbis", "ogg", 2048, stereo=False),
    "opus": Format("opus", "-c:a libopus", "opus", 2880),
    "opus-mono": Format("opus", "-c:a libopus", "opus", 2880, stereo=False),
    "mp3": Format("mp3", "-b:a 128k", "mp3", 2304),
    "mp3-vbr": Format("mp3", "-q:a 4", "mp3", 2304),
    "mp3-vbr-bare": Format("mp3", "-q:a 4 -write_xing 0 -id3v2_version 0", "mp3", 2304),
    "mp3-bare-mono": Format("mp3", "-b:a 32k -write_xing 0", "mp3", 2304, stereo=False),
    "mp2": Format("mp2", "", "mp2", 2304),
    "aac": Format("aac", "", "adts", 2048),
    "ogg-flac": Format("oga", "-c:a flac", "ogg", 4608),
    "m4a": Format("m4a", "", None, 2048),
    "m4a-alac": Format("m4a", "-c:a alac", None, 8192),
    "m4a-fragments": Format("m4a", "-movflags frag_keyframe+empty_moov", None, 2048),
    "mov": Format("mov", "", None, 2048),
    "3gp": Format("3gp", "-c:a aac", None, 2048),
    "mkv": Format("mkv", "-c:a flac", "matroska", 8192),
    "webm": Format("webm", "-c:a libopus", "webm", 2880),
    "avi": Format("avi", "-c:a mp3", "avi", 2304),
    "wv": Format("wv", "", "wv", 44_100),
    "tta": Format("tta", "", "tta", 65_536),
    "ac3": Format("ac3", "", "ac3", 3072),
    "eac3": Format("eac3", "", "eac3", 3072),
    "wma": Format("wma", "", "asf", 8192),
}


def make(folder: Path) -> dict[str, Path]:
    """One whole clip of every format, and as ``NAME-piped`` what ffmpeg writes where it cannot seek."""
    time = np.arange(round(44_100 * SECONDS)) / 44_100
    noise = np.random.default_rng(0).standard_normal((len(time), 2)) * 0.02
    tones = np.stack([np.sin(2 * np.pi * 440 * time), np.sin(2 * np.pi * 997 * time)], 1)
    soundfile.write(folder / "source.wav", 0.3 * tones * (1 + np.sin(9 * time))[:, None] + noise, 44_100)
    found = {}
    command = ["ffmpeg", "-v", "error", "-i", "source.wav"]
    for name, format in FORMATS.items():
        options = [*(() if format.stereo else ("-ac", "1", "-ar", "16000")), *format.options.split()]
        found[name] = folder / f"{name}.{format.suffix}"
        command += [*options, found[name].name]
        if format.form:
            found[f"{name}-piped"] = folder / f"{name}-piped.{format.suffix}"
            # As into a pipe: headers cannot be put right at the end.
            command += [*options, "-f", format.form, "-seekable", "0", f"file:{name}-piped.{format.suffix}"]
    subprocess.run(command, cwd=folder, check=True)
    return found


def ffmpeg_samples(path: Path) -> tuple[int, int]:
    """What ffmpeg decodes, free to do as it likes: samples of each channel, and its sample rate in Hz."""
    assert shutil.which("ffmpeg")
    target = ["-map", "0:a:0", "-c:a", "pcm_f32le", "-f", "wav", "-bitexact", "-"]
    raw = subprocess.run(["ffmpeg", "-v", "quiet", "-i", path, *target], capture_output=True).stdout
    if len(raw) < 44:
        return 0, 16_000
    at = raw.index(b"fmt ")
    channels, rate = struct.unpack_from("<HI", raw, at + 10)
    return (len(raw) - raw.index(b"data") - 8) // (4 * channels), rate


def placed(data: bytes, at: int, new: bytes) -> bytes:
    """Other bytes at a place."""
    return data[:at] + new + data[at + len(new) :]


def _with_size(data: bytes, size: bytes) -> bytes:
    return placed(placed(data, data.index(b"data") + 4, size), 4, size)


Defect = Callable[[bytes], bytes]
DAMAGE: Mapping[str, Defect] = {
    "cut": lambda data: data[: len(data) * 47 // 100 | 1],
    "hole": lambda data: data[: len(data) // 2] + data[len(data) // 2 + 3000 :],
    "flipped": lambda data: placed(data, len(data) * 2 // 3, bytes([data[len(data) * 2 // 3] ^ 0x55])),
    "twice": lambda data: data + data,
}
HARMLESS: Mapping[str, tuple[str, Defect]] = {
    "size-0": ("wav", lambda data: _with_size(data, bytes(4))),
    "size-unknown": ("wav", lambda data: _with_size(data, b"\xff\xff\xff\xff")),
    "size-2GB": ("wav", lambda data: _with_size(data, b"\0\0\0\x80")),
    "size-sox": ("wav", lambda data: _with_size(data, b"\xdb\xff\xff\x7f")),
    "tagged": ("mp3", lambda data: b"ID3\4\0\0\0\0\1\0" + bytes(128) + data + b"TAG" + bytes(125)),
    "tagged-flac": ("flac", lambda data: data + b"TAG" + bytes(125)),
}
"""What happens to headers of one format (by the beginning of its name), and leaves all of the audio."""
