"""Hostile audio: mutated wav, flac, ogg and mp3 files and their like through `read_audio`.

python -m tests.fuzz.audio 50000 [SEED]   # so many mutated inputs, from a seed

Every input is read in a process that the kernel kills when it opens a file, beside the one it was given the handle of. One
in a thousand goes, as another format or as a list of files, to ffmpeg, in an empty folder beside a canary that nobody may open.
A finding is a crash, 2 s of processor time, an exception that is not a `CodecError`, any file opened, or one left behind.
"""

from __future__ import annotations

import io
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from functools import lru_cache
from pathlib import Path

import numpy as np
import soundfile

from codec.audio.formats.ogg import crc32
from codec.audio.io import read_audio
from codec.errors import CodecError
from tests.fuzz.lockdown import Watch, is_possible, run_locked

BATCH = 5_000
FFMPEG_SHARE = 1_000
"""One input in so many."""
_KINDS = (
    *(("WAV", "PCM_16"), ("WAV", "FLOAT"), ("WAV", "IMA_ADPCM"), ("WAVEX", "PCM_24"), ("RF64", "PCM_16"), ("W64", "PCM_16")),
    *(("AIFF", "PCM_16"), ("AU", "ULAW"), ("CAF", "PCM_16"), ("NIST", "PCM_16"), ("VOC", "PCM_16"), ("FLAC", "PCM_16")),
    *(("FLAC", "PCM_24"), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III"), ("MP3", "MPEG_LAYER_III")),
)


@lru_cache(maxsize=1)
def seeds() -> list[bytes]:
    """Well-formed files of 0.1 s, and what comes of joining some."""
    rng = np.random.default_rng(0)
    found = []
    for number, (format, subtype) in enumerate(_KINDS):
        channels = 1 + number % 2
        wave = 0.1 * rng.standard_normal((1_600, channels)).cumsum(0).clip(-3, 3)
        sink = io.BytesIO()
        soundfile.write(sink, wave, 16_000, subtype, format=format)
        found.append(sink.getvalue())
    flac, ogg, mp3 = found[11], found[13], found[15]
    return [*found, flac + flac, ogg + ogg, mp3 + mp3, b"ID3\4\0\0\0\0\0\x0a" + bytes(10) + mp3 + b"TAG" + bytes(125)]


def mutated(number: int, seed: int) -> bytes:
    """The input of a number: flips, cuts, copies and joins, mostly among the first bytes, where the headers are."""
    rng = random.Random(f"{seed} {number}")
    if rng.random() < 0.03:
        return rng.choice((b"", b"RIFF", b"fLaC", b"OggS\0", b"ID3", b"\xff\xfb")) + rng.randbytes(rng.randrange(400))
    raw = bytearray(rng.choice(seeds()))
    for _ in range(rng.choice((1, 1, 2, 4))):
        at = rng.randrange(min(len(raw), rng.choice((60, 600, 100_000, 100_000))) + 1)
        kind = rng.randrange(8)
        if kind < 3 and at < len(raw):
            raw[at] = rng.choice((0, 1, 127, 128, 255, raw[at] ^ 1 << rng.randrange(8), rng.randrange(256)))
        elif kind == 3:
            raw[at : at + 4] = struct.pack(
                rng.choice("<>") + "I", rng.choice((0, 1, 1 << 31, (1 << 32) - 1, rng.getrandbits(32)))
            )
        elif kind == 4:
            del raw[at : at + rng.choice((1, 2, 8, 100))]
        elif kind == 5:
            raw[at:at] = rng.randbytes(rng.choice((1, 2, 8, 40)))
        elif kind == 6:
            raw[at:at] = raw[max(0, at - 60) : at]
        else:
            del raw[at:]
            raw += rng.choice(seeds())[rng.randrange(200) :]
    if rng.random() < 0.7:
        mend(raw)
    return bytes(raw)


def mend(raw: bytearray) -> None:
    """Makes the checksums of Ogg pages fit what is there now, so that what lies behind them is reached."""
    at = raw.find(b"OggS")
    while at >= 0 and at + 27 <= len(raw):
        end = at + 27 + raw[at + 26] + sum(raw[at + 27 : at + 27 + raw[at + 26]])
        raw[at + 22 : at + 26] = bytes(4)
        raw[at + 22 : at + 26] = struct.pack("<I", crc32(bytes(raw[at:end])))
        at = raw.find(b"OggS", at + 4)


def check(data: bytes, descriptor: int) -> str:
    """Reads bytes as a file; returns how that ended. Anything but `CodecError` is a finding."""
    os.truncate(descriptor, 0)
    os.pwrite(descriptor, data, 0)
    with os.fdopen(os.dup(descriptor), "rb", buffering=0) as handle, warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            wave, _ = read_audio(handle, ffmpeg=False)
        except CodecError as error:
            return "refused: " + "".join(letter for letter in str(error) if not letter.isdigit())[:40]
        assert np.isfinite(wave).all()
        return f"read, {'with warnings' if told else 'whole'}, {'some' if wave.size else 'no'} samples"


def check_batch(numbers: range, seed: int) -> Counter[str]:
    """So many inputs in a process of their own."""
    descriptor = os.memfd_create("input")
    try:
        for data in seeds():  # whatever is loaded late is loaded now
            check(data, descriptor), check(data[: len(data) // 2], descriptor)
        return run_locked(lambda number: check(mutated(number, seed), descriptor), numbers)
    finally:
        os.close(descriptor)


def lists(canary: Path) -> dict[str, bytes]:
    """Files that name another, by the suffixes that go with them."""
    name, uri = str(canary), canary.as_uri()
    hls = f"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:3,\n{uri}\n#EXT-X-ENDLIST\n"
    dash = (
        '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT3S"><Period><AdaptationSet '
        f'mimeType="audio/wav"><Representation id="0" bandwidth="1"><BaseURL>{uri}</BaseURL></Representation></AdaptationSet>'
        "</Period></MPD>"
    )
    texts = {
        "m3u8": hls, "wav": hls.replace(uri, name), "ffconcat": f"ffconcat version 1.0\nfile '{name}'\n", "mpd": dash,
        "txt": f"file '{name}'\n", "m3u": f"{name}\n", "cue": f'FILE "{name}" WAVE\n  TRACK 01 AUDIO\n    INDEX 01 00:00:00\n',
        "srt": f"1\n00:00:00,000 --> 00:00:02,000\n{name}\n", "ass": f"[Script Info]\nAudio File: {name}\n[Events]\n",
        "idx": f"# VobSub index file, v7 (do not modify this line!)\nid: en, index: 0\n{name}\n",
        "sdp": "v=0\nm=audio 9 RTP/AVP 0\n",
        "smil": f'<smil><body><audio src="{uri}"/></body></smil>', "pls": f"[playlist]\nFile1={name}\n",
        "avs": f'WavSource("{name}")\n', "vpy": name, "ffmeta": f";FFMETADATA1\ntitle={name}\n",
        "ref": f"[Reference]\nRef1={uri}\n",
        "xml": f'<CompositionPlaylist xmlns="http://www.smpte-ra.org/schemas/2067-3/2016"><Id>{uri}</Id></CompositionPlaylist>',
    }  # fmt: skip
    return {suffix: text.encode() for suffix, text in texts.items()}


class FfmpegCheck:
    """Gives mutated files of other formats, and lists, to `read_audio` with ffmpeg, and watches a canary.

    Args:
        folder: empty.
    """

    def __init__(self, folder: Path) -> None:
        self.inputs, self.empty = folder / "inputs", folder / "empty"
        for path in (self.inputs, self.empty):
            path.mkdir()
        self.canary = folder / "canary" / "canary.wav"
        self.canary.parent.mkdir()
        soundfile.write(self.canary, np.full(16_000, 0.25), 16_000)
        self.seeds = []
        for target in ("x.m4a", "x.mkv", "x.avi", "x.wma", "x.wv", "x.tta", "x.aac"):
            command = ["ffmpeg", "-v", "error", "-i", self.canary, "-t", "0.3", folder / target]
            subprocess.run(command, check=True)
            self.seeds.append((folder / target).read_bytes())
        self.lists = lists(self.canary)
        self.watch = Watch(self.canary.parent, self.empty)

    def check(self, number: int, seed: int) -> str:
        """One input, from the empty folder; `read_audio` may open its file and start ffmpeg on a pipe, nothing else."""
        rng = random.Random(f"{seed} {number}")
        suffix = rng.choice([*self.lists, "m4a", "mkv"])
        raw = bytearray(self.lists.get(suffix) or rng.choice(self.seeds))
        for _ in range(rng.randrange(3)):
            raw[rng.randrange(len(raw))] = rng.randrange(256)
        path = self.inputs / f"in.{suffix}"
        path.write_bytes(raw)
        before = Path.cwd()
        os.chdir(self.empty)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                wave, _ = read_audio(path)
            outcome = "ffmpeg: read"
            assert not (wave.size and np.abs(wave[0, :100] - 0.25).max() < 0.01 and suffix in self.lists), "the canary was read"
        except CodecError:
            outcome = "ffmpeg: refused"
        finally:
            os.chdir(before)
        opened = self.watch.opened()
        assert not opened, f"input {number} of seed {seed}: {opened} opened"
        assert not list(self.empty.iterdir()), f"input {number} of seed {seed}: left files behind"
        self.watch.opened()  # that was us
        path.unlink()
        return outcome


def main(count: int, seed: int = 0) -> None:
    """Runs so many inputs and prints how they ended."""
    if not is_possible():
        sys.exit("this needs Linux on x86-64 or ARM64")
    outcomes: Counter[str] = Counter()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="codec-fuzz-") as name:
        other = FfmpegCheck(Path(name)) if shutil.which("ffmpeg") else None
        for first in range(0, count, BATCH):
            numbers = range(first, min(count, first + BATCH))
            outcomes += check_batch(numbers, seed)
            for number in numbers[::FFMPEG_SHARE] if other else ():
                outcomes[other.check(number, seed)] += 1
            if not (first + BATCH) % 50_000:
                print(first + BATCH, flush=True)
    seconds = time.monotonic() - started
    print(f"{count} inputs of seed {seed}, {len(outcomes)} kinds of outcome, 0 findings, {count / seconds:.0f} a second")
    for outcome, times in outcomes.most_common():
        print(f"{times:9d}  {outcome}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
