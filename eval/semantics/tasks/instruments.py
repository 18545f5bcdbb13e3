"""Recorded instruments from a SoundFont, played by fluidsynth: tasks like NSynth's."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from codec.errors import CodecError
from eval.semantics.tasks.corpus_clips import shares
from eval.semantics.tasks.item import Item, without_repeats, without_unlearnable
from eval.semantics.tasks.programs import QUIET, WORKERS, read_mono, run, to_int16

SAMPLE_RATE = 16_000
SPACING, HELD, KEPT = 3.0, 0.8, 1.0
"""Seconds from note to note, of a key held down, and of a clip."""
NOTES = 8
"""Of each program."""
TICKS = 480  # a beat; at 120 beats a minute 960 ticks are a second
FAMILIES = (
    *("piano", "chromatic percussion", "organ", "guitar", "bass", "strings", "ensemble", "brass"),
    *("reed", "pipe", "synth lead", "synth pad", "synth effects", "ethnic", "percussive", "sound effects"),
)
"""Of General MIDI, eight programs each."""
MELODIC = 10
"""Families that play tunes, the first ones."""
PITCHES = range(48, 72)
"""MIDI numbers of two octaves, from the C below middle C."""
NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
SOUNDFONT = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")


@dataclass(frozen=True)
class Note:
    """A key.

    Attributes:
        pitch: MIDI number, 60 is middle C.
        velocity: 1 … 127.
    """

    pitch: int
    velocity: int


def instrument_family(soundfont: Path, seed: int) -> list[Item]:
    """Which of 16 families of instruments plays, by instruments never heard, over pitches and velocities."""
    random = np.random.default_rng(seed)
    played = {program: _random_notes(random, NOTES) for program in range(8 * len(FAMILIES))}
    waves = render_all(soundfont, played)
    items: list[Item] = []
    for number, family in enumerate(FAMILIES):
        programs = range(8 * number, 8 * number + 8)
        split = shares(map(str, programs), seed + number, valid=1, test=2)
        for program in programs:
            items += [Item(wave, family, f"program {program}", split(str(program))) for wave in waves[program] if audible(wave)]
    return without_repeats(items)


def note_pitch(soundfont: Path, seed: int) -> list[Item]:
    """Which of 24 notes is played, by instruments never heard."""
    random = np.random.default_rng(seed)
    programs = range(8 * MELODIC)
    played = {
        program: [Note(int(pitch), 100) for pitch in random.choice(PITCHES, NOTES, replace=False)] for program in programs
    }
    split = shares(map(str, programs), seed, valid=8, test=16)
    waves = render_all(soundfont, played)
    items = [
        Item(wave, note_name(note.pitch), f"program {program}", split(str(program)))
        for program in programs
        for note, wave in zip(played[program], waves[program], strict=True)
        if audible(wave)
    ]
    return without_unlearnable(without_repeats(items))


def note_name(pitch: int) -> str:
    """The name of a MIDI note number.

    Example:
        >>> note_name(60), note_name(61)
        ('C4', 'C#4')
    """
    return f"{NAMES[pitch % 12]}{pitch // 12 - 1}"


def audible(wave: np.ndarray) -> bool:
    """Whether a note sounds at all: not every instrument plays every key."""
    return bool(np.abs(wave).max(initial=0) > QUIET * 32767)


def _random_notes(random: np.random.Generator, count: int) -> list[Note]:
    pitches, velocities = random.integers(40, 85, count), random.integers(40, 121, count)
    return [Note(int(pitch), int(velocity)) for pitch, velocity in zip(pitches, velocities, strict=True)]


def render_all(soundfont: Path, played: Mapping[int, Sequence[Note]]) -> dict[int, list[np.ndarray]]:
    """The notes of several programs, a few programs at a time."""
    with ThreadPoolExecutor(WORKERS) as pool:
        rendered = pool.map(lambda program: render(soundfont, program, played[program]), played)
        return dict(zip(played, rendered, strict=True))


def render(soundfont: Path, program: int, notes: Sequence[Note]) -> list[np.ndarray]:
    """Plays notes one after the other, without reverb and chorus.

    Returns:
        ``(16000,)`` int16 at 16 kHz for each.

    Raises:
        CodecError: SoundFont, fluidsynth or mido missing.
    """
    if not soundfont.is_file():
        raise CodecError(f"{soundfont}: no SoundFont; apt-get install fluid-soundfont-gm, or name its file")
    with tempfile.TemporaryDirectory(prefix="codec-") as folder:
        score, output = Path(folder) / "notes.mid", Path(folder) / "notes.wav"
        write_score(score, program, notes)
        quiet = ["-R", "0", "-C", "0", "-g", "0.6", "-o", "synth.dynamic-sample-loading=1"]
        run(["fluidsynth", "-n", "-i", "-q", *quiet, "-r", "44100", "-F", str(output), str(soundfont), str(score)])
        wave = to_int16(read_mono(output))
    starts = [round(SPACING * SAMPLE_RATE * i) for i in range(len(notes))]
    kept = round(KEPT * SAMPLE_RATE)
    return [np.pad(wave[start : start + kept], (0, max(0, start + kept - max(start, len(wave))))) for start in starts]


def write_score(path: Path, program: int, notes: Sequence[Note]) -> None:
    """A standard MIDI file of notes on one program, one every three seconds.

    Raises:
        CodecError: mido missing.
    """
    try:
        import mido
    except ImportError as error:
        raise CodecError("instrument tasks need mido: pip install 'semcodec[eval]'") from error
    second = 2 * TICKS
    track = mido.MidiTrack([mido.Message("program_change", program=program, time=0)])
    wait = 0
    for note in notes:
        track.append(mido.Message("note_on", note=note.pitch, velocity=note.velocity, time=wait))
        track.append(mido.Message("note_off", note=note.pitch, velocity=0, time=round(HELD * second)))
        wait = round((SPACING - HELD) * second)
    track.append(mido.MetaMessage("end_of_track", time=wait))
    mido.MidiFile(type=0, ticks_per_beat=TICKS, tracks=[track]).save(path)
