"""What the exam listens to: voices that training never heard, in studios and rooms, tones, held-out music and sound."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import soundfile

from benchmarks.voices.tones import tone_clips
from codec.audio.io import read_audio, resample
from codec.data import debian
from codec.data.room import rerecord
from codec.data.speech.clips import clip_of
from codec.data.speech.plan import Line, lines
from codec.data.speech.voices import HELD_OUT_VOICES, language_of
from codec.data.synthetic import UNHEARD, sentences, speak
from codec.data.testsets import clips_of, write_manifest
from codec.data.testsets.clip import Clip
from codec.errors import CodecError

SAMPLE_RATE = 16_000
LEVEL = 10 ** (-24 / 20)
"""Root mean square of a clip of speech: voices differ in loudness."""
LANGUAGES = ("en-us", "en-gb", "es", "fr", "it", "pt")
"""Whose words a recogniser tells apart by spaces."""
PER_VOICE = 4
SHORTEST, LONGEST = 35, 110
"""Characters of a text."""
PLAN = 40_000
"""Lines among which texts of the held-out voices are looked for."""
KINDS = ("quotation", "dialogue", "example", "question")
PROMPT_SECONDS, GSM_BYTES = (2.5, 8.0), 1650
"""Of a person's prompt; bytes a second of GSM."""
OUT_OF = 5200
"""Festival says the last of so many sentences of ``fortunes``, of which a corpus has the first 4800."""
MUSIC, SOUND = 12, 12


@dataclass(frozen=True)
class Material:
    """Clips of the exam.

    Attributes:
        voices: in studios.
        rooms: the first clip of every voice with another tone, reverberation and noise.
        tones: see `benchmarks.voices.tones`.
        music, sound: held-out clips of a corpus; empty without one.
    """

    voices: list[Clip]
    rooms: list[Clip]
    tones: list[Clip]
    music: list[Clip]
    sound: list[Clip]

    def groups(self) -> dict[str, list[Clip]]:
        """The clips of each group by its name, in the order of the report."""
        return {"voices": self.voices, "rooms": self.rooms, "tones": self.tones, "music": self.music, "sound": self.sound}


def prepare(folder: Path, packages: Path, corpus: Path | None, per_voice: int = PER_VOICE) -> Material:
    """Makes what is not there yet.

    Args:
        folder: where the exam's own files are kept.
        packages: folder of Debian packages; what is missing is fetched.
        corpus: a built corpus for music and sound.
        per_voice: clips of each voice.

    Raises:
        CodecError: a program, a voice or a package is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    voices = [*_kokoro(folder, packages), *_festival(folder, packages), *_people(folder, packages)]
    kept = [clip for number, clip in enumerate(voices) if number % PER_VOICE < per_voice]
    rooms = [_in_room(clip, folder, seed) for seed, clip in enumerate(voices[::PER_VOICE])]
    held_out = clips_of(str(corpus), "test", max(MUSIC, SOUND)) if corpus else []
    music, sound = ([clip for clip in held_out if clip.domain == domain] for domain in ("music", "sound"))
    return Material(kept, rooms, tone_clips(folder, voices[:: 3 * PER_VOICE]), music[:MUSIC], sound[:SOUND])


def write_manifests(material: Material, folder: Path) -> None:
    """Lets other commands hear the same: ``exam.jsonl`` has voices, music and sound, ``rooms.jsonl`` voices in rooms."""
    for name, clips in (("exam", [*material.voices, *material.music, *material.sound]), ("rooms", material.rooms)):
        whole = [replace(clip, path=str(Path(clip.path).resolve())) for clip in clips]
        if whole:
            write_manifest(whole, folder / f"{name}.jsonl")


def _kokoro(folder: Path, packages: Path) -> Iterator[Clip]:
    wanted: dict[str, list[Line]] = {voice: [] for voice in HELD_OUT_VOICES if language_of(voice) in LANGUAGES}
    for line in islice(lines(packages), PLAN):
        told = wanted.get(next(iter(line.voices)))
        if line.split != "train" and told is not None and len(told) < PER_VOICE and _suits(line, told):
            told.append(line)
        if all(len(told) == PER_VOICE for told in wanted.values()):
            break
    for voice, told in wanted.items():
        for number, line in enumerate(told):
            spoken = clip_of(packages, line)
            path = _keep(folder / f"{voice}-{number}.flac", Path(spoken.path))
            yield Clip(f"{voice}/{number}", str(path), "speech", voice, text=line.text, language=line.language[:2])


def _suits(line: Line, told: list[Line]) -> bool:
    fits = line.kind in KINDS and SHORTEST <= len(line.text) <= LONGEST
    return fits and all(line.text != other.text for other in told)


def _festival(folder: Path, packages: Path) -> Iterator[Clip]:
    name, package = UNHEARD
    if shutil.which("text2wave") is None:
        raise CodecError(f"the program text2wave is not installed: apt-get install festival {package}")
    debian.fetch_package(packages, "fortunes")
    for number, text in enumerate(sentences(packages / "fortunes", OUT_OF)[-PER_VOICE:]):
        path = _keep(folder / f"{name}-{number}.flac", speak(folder, text, f"festival-{name}"))
        yield Clip(f"{name}/{number}", str(path), "speech", name, text=text, language="en")


def _people(folder: Path, packages: Path) -> Iterator[Clip]:
    """Prompts of two people whom no corpus has, as telephones heard them."""
    for package, language in debian.HELD_OUT_PEOPLE.items():
        debian.fetch_package(packages, package)
        prompts = [path for path in sorted((packages / package).rglob("*.gsm")) if _lasts(path)][:PER_VOICE]
        if len(prompts) < PER_VOICE:
            raise CodecError(f"{packages / package}: {len(prompts)} prompts of the right length, {PER_VOICE} wanted")
        for number, prompt in enumerate(prompts):
            path = _keep(folder / f"{package}-{number}.flac", prompt)
            yield Clip(f"{package}/{number}", str(path), "speech", package, language=language)


def _lasts(prompt: Path) -> bool:
    return PROMPT_SECONDS[0] <= prompt.stat().st_size / GSM_BYTES <= PROMPT_SECONDS[1]


def _keep(path: Path, original: Path) -> Path:
    """16 kHz mono at the exam's level."""
    if not path.exists():
        wave, rate = read_audio(original)
        mono = resample(wave.mean(0, keepdims=True), rate, SAMPLE_RATE)[0]
        soundfile.write(path, mono * (LEVEL / np.sqrt(np.mean(mono**2))), SAMPLE_RATE)
    return path


def _in_room(clip: Clip, folder: Path, seed: int) -> Clip:
    path = folder / f"room-{Path(clip.path).name}"
    if not path.exists():
        wave, _ = read_audio(clip.path)
        soundfile.write(path, rerecord(wave[0], np.random.default_rng(seed), SAMPLE_RATE, chance=1.0), SAMPLE_RATE)
    return replace(clip, name=f"room/{clip.name}", path=str(path))
