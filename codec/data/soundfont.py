"""Music that fluidsynth plays from SoundFonts: random pieces in random keys, on instruments that no probing task tests on."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from codec.atomic import atomic_path
from codec.data.debian import fetch_package
from codec.data.recording import Recording
from codec.errors import CodecError

ORIGIN = "soundfont"
SOUNDFONTS = {
    "musescore-general-soundfont": "usr/share/sounds/sf3/MuseScore_General.sf3",
    "timgm6mb-soundfont": "usr/share/sounds/sf2/TimGM6mb.sf2",
}
"""Packages and their files; the probing tasks play FluidR3."""
SAMPLE_RATE = 24_000
BEATS = 32
"""Of each piece."""
TICKS = 480
"""Of a beat."""
SCALES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "pentatonic": (0, 2, 4, 7, 9),
    "blues": (0, 3, 5, 6, 7, 10),
    "chromatic": tuple(range(12)),
}
DRUM_CHANNEL = 9
NEEDS_MIDO = "source 'soundfont' needs mido: pip install 'semcodec[speech]'"
Event = tuple[int, int, int, int, int]
"""Tick, length in ticks, channel, key, velocity."""


def soundfont_clips(packages: Path, hours: float) -> Iterator[Recording]:
    """Pieces, played once and kept in ``packages/soundfont``.

    Args:
        packages: folder of Debian packages; the SoundFonts are fetched.
        hours: of music.

    Raises:
        CodecError: fluidsynth, mido or a SoundFont is missing.
    """
    if shutil.which("fluidsynth") is None:
        raise CodecError("source 'soundfont' needs fluidsynth: apt-get install fluidsynth")
    if importlib.util.find_spec("mido") is None:
        raise CodecError(NEEDS_MIDO)
    fonts = []
    for package, file in SOUNDFONTS.items():
        fetch_package(packages, package)
        fonts.append(packages / package / file)
    folder = packages / ORIGIN
    folder.mkdir(parents=True, exist_ok=True)
    return _played(folder, fonts, hours)


def _played(folder: Path, fonts: list[Path], hours: float) -> Iterator[Recording]:
    seconds, number = 0.0, 0
    with ThreadPoolExecutor(2) as pool:
        while seconds < hours * 3600:
            for path in pool.map(partial(play, folder, fonts), range(number, number + 8)):
                seconds += soundfile.info(path).duration
                yield Recording(str(path), f"{ORIGIN}/{path.stem}", "music", ORIGIN, {"track": path.stem})
            number += 8


def play(folder: Path, fonts: list[Path], number: int) -> Path:
    """Plays a piece into its file, unless it lies there already.

    Args:
        folder: of the files.
        fonts: SoundFonts that take turns.
        number: of the piece; decides everything.

    Raises:
        CodecError: fluidsynth or mido is missing, or a SoundFont cannot be played.
    """
    path = folder / f"{number:05d}.flac"
    if path.exists():
        return path
    with tempfile.TemporaryDirectory(prefix="codec-") as scratch, atomic_path(path) as staged:
        score = Path(scratch) / "piece.mid"
        write_piece(score, np.random.default_rng((1, number)))
        command = ["fluidsynth", "-n", "-i", "-q", "-g", "0.6", "-r", str(SAMPLE_RATE), "-T", "flac", "-F", str(staged)]
        try:
            subprocess.run([*command, str(fonts[number % len(fonts)]), str(score)], check=True, capture_output=True)
        except OSError as error:
            raise CodecError(f"source 'soundfont' needs fluidsynth: apt-get install fluidsynth ({error.strerror})") from error
        except subprocess.CalledProcessError as error:
            said = error.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
            raise CodecError(f"fluidsynth cannot play {fonts[number % len(fonts)]}: {said[-1]}") from error
    return path


def write_piece(path: Path, rng: np.random.Generator) -> None:
    """A standard MIDI file: chords, a bass, a tune and drums, each of them there or not.

    Raises:
        CodecError: mido is missing.
    """
    try:
        import mido
    except ImportError as error:
        raise CodecError(NEEDS_MIDO) from error
    scale, root = SCALES[rng.choice(list(SCALES))], int(rng.integers(0, 12))
    parts = [part for part in (_chords, _bass, _tune, _runs) if rng.random() < 0.55] or [_tune]
    track, events = mido.MidiTrack(), []
    track.append(mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(int(rng.integers(60, 180)))))
    for channel, part in enumerate(parts):
        track.append(mido.Message("program_change", channel=channel, program=int(rng.integers(0, 120))))
        events += part(rng, channel, scale, root)
    if rng.random() < 0.4:
        events += _drums(rng)
    _append(track, events, mido)
    mido.MidiFile(type=0, ticks_per_beat=TICKS, tracks=[track]).save(path)


def _append(track: Any, events: list[Event], mido: Any) -> None:
    """Notes as the messages of a track, each with the ticks since the one before."""
    messages = [(tick, "note_on", channel, key, velocity) for tick, _, channel, key, velocity in events]
    messages += [(tick + length, "note_off", channel, key, 0) for tick, length, channel, key, _ in events]
    now = 0
    for tick, kind, channel, key, velocity in sorted(messages, key=lambda message: (message[0], message[1] == "note_on")):
        track.append(mido.Message(kind, channel=channel, note=key, velocity=velocity, time=tick - now))
        now = tick
    track.append(mido.MetaMessage("end_of_track", time=TICKS))


def _key(scale: tuple[int, ...], root: int, degree: int, octave: int) -> int:
    key = 12 * octave + root + scale[degree % len(scale)] + 12 * (degree // len(scale))
    return int(np.clip(key, 24, 108))


def _chords(rng: np.random.Generator, channel: int, scale: tuple[int, ...], root: int) -> list[Event]:
    events, beats = [], int(rng.choice([2, 4, 8]))
    for beat in range(0, BEATS, beats):
        degree, velocity = int(rng.integers(0, 7)), int(rng.integers(40, 100))
        for step in (0, 2, 4, 6)[: rng.integers(2, 5)]:
            events.append((beat * TICKS, beats * TICKS - 10, channel, _key(scale, root, degree + step, 4), velocity))
    return events


def _bass(rng: np.random.Generator, channel: int, scale: tuple[int, ...], root: int) -> list[Event]:
    return [
        (beat * TICKS, TICKS - 20, channel, _key(scale, root, int(rng.integers(0, 5)), 2), int(rng.integers(60, 110)))
        for beat in range(BEATS)
        if rng.random() < 0.8
    ]


def _tune(rng: np.random.Generator, channel: int, scale: tuple[int, ...], root: int) -> list[Event]:
    events, tick, degree, octave = [], 0, int(rng.integers(0, 7)), int(rng.integers(4, 7))
    while tick < BEATS * TICKS:
        length = int(rng.choice([TICKS // 4, TICKS // 2, TICKS, 2 * TICKS, 4 * TICKS], p=[0.15, 0.35, 0.3, 0.15, 0.05]))
        degree = int(np.clip(degree + rng.integers(-3, 4), -7, 14))
        if rng.random() < 0.88:
            events.append((tick, max(30, length - 15), channel, _key(scale, root, degree, octave), int(rng.integers(50, 120))))
        tick += length
    return events


def _runs(rng: np.random.Generator, channel: int, scale: tuple[int, ...], root: int) -> list[Event]:
    """Scales and broken chords, up and down."""
    step, width, length = int(rng.choice([1, 2])), int(rng.integers(5, 15)), int(rng.choice([TICKS // 4, TICKS // 2, TICKS]))
    way = [*range(0, width, step), *range(width, 0, -step)]
    return [
        (number * length, length - 10, channel, _key(scale, root, way[number % len(way)], 4), int(rng.integers(50, 110)))
        for number in range(BEATS * TICKS // length)
    ]


def _drums(rng: np.random.Generator) -> list[Event]:
    kit = {36: 0.45, 38: 0.25, 42: 0.7, 46: 0.1, 49: 0.03, 45: 0.08}
    pattern = [(step, key) for step in range(16) for key, chance in kit.items() if rng.random() < chance]
    return [
        (bar * 4 * TICKS + step * TICKS // 4, TICKS // 8, DRUM_CHANNEL, key, int(rng.integers(50, 120)))
        for bar in range(BEATS // 4)
        for step, key in pattern
    ]
