"""``codec info``, ``codec play``."""

from __future__ import annotations

import json as jsonlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from codec.errors import CodecError

_PLAYERS = (["ffplay", "-v", "error", "-nodisp", "-autoexit"], ["paplay"], ["aplay", "-q"], ["afplay"])


def show_files(files: list[str], json: bool) -> None:
    """Prints what each file holds; goes on after those that cannot be told, and names them at the end.

    Raises:
        CodecError: there are such files.
    """
    failures: list[str] = []
    for file in files:
        try:
            facts = describe(file)
        except CodecError as error:
            failures.append(str(error))
            continue
        if json:
            print(jsonlib.dumps(facts))
            continue
        table = Table(show_header=False, box=None, title=file, title_justify="left")
        for key, value in facts.items():
            table.add_row(key.replace("_", " "), f"{value:g}" if isinstance(value, float) else str(value))
        Console().print(table, highlight=False)
    for line in failures[:-1]:
        print(f"codec: {' '.join(line.split())}", file=sys.stderr)
    if failures:
        raise CodecError(failures[-1])


def describe(file: str) -> dict[str, Any]:
    """Facts about a container, codes for other programs, or an audio file.

    Raises:
        CodecError: it is none of these, or damaged.
    """
    from codec.container.arrays import SUFFIXES
    from codec.container.header import MAGIC

    if file == "-":
        raise CodecError("codec info takes files, not pipes; a file called - is ./-")
    try:
        with open(file, "rb") as handle:
            start = handle.read(len(MAGIC))
    except OSError as error:
        raise CodecError(f"{file}: {error.strerror}") from error
    if start == MAGIC or file.endswith(".sct"):
        return _describe_container(file)
    return _describe_codes(file) if file.endswith(SUFFIXES) else _describe_audio(file)


def _describe_container(file: str) -> dict[str, Any]:
    from codec.container.bitstream import ContainerReader
    from codec.container.header import VERSION
    from codec.errors import ContainerError

    with open(file, "rb") as handle:
        try:
            reader = ContainerReader(handle)
            frames = chunks = 0
            for count in reader.skim():
                frames, chunks = frames + count, chunks + 1
        except ContainerError as error:
            raise ContainerError(f"{file}: {error}") from error
        size = handle.tell()
    header = reader.header
    assert reader.samples is not None
    seconds = reader.samples / header.sample_rate
    return {
        "format": f"sct {VERSION}",
        "model": header.model,
        "sample_rate": header.sample_rate,
        "channels": header.channels,
        "samples": reader.samples,
        "seconds": seconds,
        "tokens_per_second": header.frame_rate * len(header.codebook_sizes),
        "frame_rate": header.frame_rate,
        "frames": frames,
        "codebook_sizes": list(header.codebook_sizes),
        "bits_per_frame": header.frame_bits,
        "entropy_coded": header.entropy is not None,
        "chunks": chunks,
        "chunk_frames": header.chunk_frames,
        "kbps": header.frame_rate * header.frame_bits / 1000,
        "bytes": size,
        "file_kbps": size * 8 / seconds / 1000 if seconds else 0.0,
    }


def _describe_codes(file: str) -> dict[str, Any]:
    from codec.container.arrays import read_facts

    facts = read_facts(Path(file))
    if facts is None:
        raise CodecError(
            f"{file}: nothing tells what its codes are, as codec encode --format does at a line's end or beside x.npy"
        )
    return {"format": Path(file).suffix[1:], **facts}


def _describe_audio(file: str) -> dict[str, Any]:
    from codec.audio.io import AudioReader

    with AudioReader(file) as reader:
        samples = sum(len(block) for block in reader.blocks())
        info = reader.info
        missing = list(reader.missing)
    size = Path(file).stat().st_size
    seconds = samples / info.sample_rate
    return {
        "format": "audio",
        "sample_rate": info.sample_rate,
        "channels": info.channels,
        "samples": samples,
        "seconds": seconds,
        "bytes": size,
        "file_kbps": size * 8 / seconds / 1000 if seconds else 0.0,
    } | ({"missing": missing} if missing else {})


def play_file(file: str, model: str) -> None:
    """Decodes if needed and plays.

    Raises:
        CodecError: no player is installed, or none of them got it out.
    """
    players = [command for command in _PLAYERS if shutil.which(command[0])]
    if not players:
        raise CodecError("no audio player found; install ffmpeg (ffplay), pulseaudio-utils or alsa-utils")
    with tempfile.TemporaryDirectory(prefix="codec-play-") as folder:
        if file.endswith(".sct"):
            from codec.files import decode_file
            from codec.hub import load_codec

            sound = str(Path(folder) / "decoded.wav")
            decode_file(load_codec(model), file, sound)
        else:
            sound = _as_wav(file, Path(folder) / "played.wav")
        failures = []
        for player in players:
            if not (reason := _play(player, sound)):
                return
            failures.append(f"{player[0]}: {reason}")
        raise CodecError(f"{file}: could not be played ({'; '.join(failures)})")


def _play(player: list[str], sound: str) -> str:
    """Why a player did not play, or nothing: ffplay's exit code is 0 also where there is no sound card."""
    done = subprocess.run([*player, sound], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    told = [line for line in done.stderr.decode("utf-8", "replace").splitlines() if not line.startswith("ALSA lib")]
    complaint = next((line.strip() for line in told if "failed" in line.lower()), "")
    if done.returncode:
        return complaint or next((line.strip() for line in reversed(told) if line.strip()), f"exit code {done.returncode}")
    return complaint


def _as_wav(file: str, target: Path) -> str:
    """A copy that any player plays: ffplay would follow what a file of a stranger names, as ffmpeg does."""
    import soundfile

    from codec.audio.io import AudioReader

    with AudioReader(file) as reader:
        info = reader.info
        format = "RF64" if Path(file).stat().st_size > 1 << 28 else "WAV"
        with soundfile.SoundFile(target, "w", info.sample_rate, info.channels, "PCM_16", format=format) as sink:
            for block in reader.blocks():
                sink.write(block)
    return str(target)
