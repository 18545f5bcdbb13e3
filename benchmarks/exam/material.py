"""What is listened to: anybody's files, or a small set from two bundled recordings and formulas, the same everywhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import butter, lfilter, sosfilt

from benchmarks.voices.tones import tone_clips
from codec.atomic import atomic_path
from codec.audio.io import read_audio, resample
from codec.data import tones
from codec.data.domains import DOMAINS
from codec.data.room import rerecord
from codec.data.testsets import clips_of
from codec.data.testsets.clip import Clip
from codec.errors import CodecError
from eval.reconstruction.robustness import noisy

SAMPLE_RATE = 16_000
TONES = "tones"
"""Source of the clips whose text says which tones sound."""
PLACES = (Path(__file__).parent / "recordings", Path(__file__).parents[2] / "tests" / "data")
"""Of the bundled recordings: in an installed package, in a checkout."""
TEXT = "The person you are calling is not at their desk; I will try to locate them for you."
SMALL = "small set of semcodec"
QUICK_TONES = ("sine-220", "sine-1000", "sine-4000", "quiet-440", "dtmf-5", "beep-1000")


@dataclass(frozen=True)
class Material:
    """Clips by group, and where they come from.

    Attributes:
        name: of the set, for the card.
        groups: clips by the name of their group, in the order of the card.
    """

    name: str
    groups: dict[str, list[Clip]]


def material(clips: str | None, folder: Path, quick: bool, per_domain: int | None = None) -> Material:
    """The user's clips, or the small set, and always the tones.

    Args:
        clips: as for `codec.data.testsets.clips_of`; None: the small set.
        folder: where clips are made.
        quick: fewer of them, and ten seconds of each at most.
        per_domain: at most so many of the user's clips of each domain.

    Raises:
        CodecError: nothing there, or not what it should be.
    """
    spoken = small_speech(folder)
    own = clips_of(clips, per_domain=2 if quick else per_domain) if clips else _small(folder, spoken, quick)
    own = [replace(clip, duration=min(clip.duration or 10.0, 10.0)) for clip in own] if quick and clips else own
    made = [clip for clip in tone_clips(folder, spoken[:3]) if not quick or clip.name.partition("/")[2] in QUICK_TONES]
    groups: dict[str, list[Clip]] = {
        domain: [clip for clip in own if clip.domain == domain and clip.source != TONES] for domain in DOMAINS
    }
    return Material(clips or SMALL, {name: found for name, found in {**groups, TONES: made}.items() if found})


def small_speech(folder: Path) -> list[Clip]:
    """One sentence of one speaker: as it is, as shorter and taller people might say it, in noise and in a room."""
    wave, _ = read_audio(recording("speech.flac"))
    said: dict[str, Callable[[], np.ndarray]] = {
        "plain": lambda: wave[0],
        "higher": lambda: resample(wave, 19_000, SAMPLE_RATE)[0],
        "lower": lambda: resample(wave, 13_500, SAMPLE_RATE)[0],
        "noise": lambda: noisy(wave[0], 20.0, np.random.default_rng(0)),
        "room": lambda: rerecord(wave[0], np.random.default_rng(0), SAMPLE_RATE, chance=1.0),
    }
    return [
        Clip(f"speech/{name}", str(_made(folder, f"speech-{name}", make)), "speech", "one speaker", text=TEXT, language="en")
        for name, make in said.items()
    ]


def _small(folder: Path, spoken: list[Clip], quick: bool) -> list[Clip]:
    track = recording("music.flac")
    music = [Clip(f"music/band-{part}", str(track), "music", "one track", start=2.5 * part, duration=2.5) for part in range(2)]
    music += [Clip(f"music/{name}", str(_made(folder, name, make)), "music", name) for name, make in MUSIC.items()]
    sound = [Clip(f"sound/{name}", str(_made(folder, name, make)), "sound", name) for name, make in SOUND.items()]
    return [*spoken[:2], music[0], sound[0], sound[1]] if quick else [*spoken, *music, *sound]


def recording(name: str) -> Path:
    """A bundled recording.

    Raises:
        CodecError: it is not in this installation.
    """
    path = next((place / name for place in PLACES if (place / name).is_file()), None)
    if path is None:
        raise CodecError(f"{name} is not in this installation: install semcodec again, or name clips of your own with --clips")
    return path


def _made(folder: Path, name: str, make: Callable[[], np.ndarray]) -> Path:
    path = folder / f"{name}.flac"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as staged:
            soundfile.write(staged, np.clip(make(), -1, 1).astype(np.float32), SAMPLE_RATE)
    return path


def _strings() -> np.ndarray:
    """An arpeggio of plucked strings (Karplus and Strong 1983), each ringing on."""
    rng, wave = np.random.default_rng(1), np.zeros(4 * SAMPLE_RATE)
    for number, semitone in enumerate((0, 7, 12, 16, 19, 16, 12, 7)):
        period = round(SAMPLE_RATE / (110 * 2 ** (semitone / 12)))
        start = number * SAMPLE_RATE // 2
        pluck = np.zeros(len(wave) - start)
        pluck[:period] = rng.uniform(-1, 1, period)
        loop = np.zeros(period + 2)
        loop[0], loop[-2:] = 1.0, -0.498
        wave[start:] += lfilter([1.0], loop, pluck)
    return 0.25 * wave / np.abs(wave).max() * 2


def _beat() -> np.ndarray:
    """Kick, snare and hat at 120 beats a minute."""
    rng, wave = np.random.default_rng(2), np.zeros(4 * SAMPLE_RATE)
    for step in range(16):
        time = np.arange(SAMPLE_RATE // 4) / SAMPLE_RATE
        hit = 0.1 * rng.standard_normal(len(time)) * np.exp(-60 * time)
        if step % 4 == 0:
            hit = hit + 0.7 * np.sin(2 * np.pi * (50 * time + 3 * (1 - np.exp(-25 * time)))) * np.exp(-9 * time)
        if step % 4 == 2:
            hit = hit + 0.3 * rng.standard_normal(len(time)) * np.exp(-18 * time)
        wave[step * len(time) : (step + 1) * len(time)] += hit
    return wave


def _rain() -> np.ndarray:
    """Noise above 1 kHz with drops in it."""
    rng = np.random.default_rng(3)
    hiss = sosfilt(butter(2, 1_000, "highpass", fs=SAMPLE_RATE, output="sos"), rng.standard_normal(3 * SAMPLE_RATE))
    drops = np.zeros(len(hiss))
    drops[rng.integers(0, len(hiss) - 400, 60)] = rng.uniform(1, 6, 60)
    ring = np.exp(-np.arange(400) / 60) * np.sin(2 * np.pi * 2_400 * np.arange(400) / SAMPLE_RATE)
    return np.asarray(0.03 * hiss + 0.05 * np.convolve(drops, ring)[: len(hiss)])


def _knocks() -> np.ndarray:
    """Six knocks on wood."""
    rng, wave = np.random.default_rng(4), np.zeros(3 * SAMPLE_RATE)
    time = np.arange(SAMPLE_RATE // 3) / SAMPLE_RATE
    for number in range(6):
        modes = [np.exp(-40 * time) * np.sin(2 * np.pi * pitch * time) for pitch in (180, 420, 950)]
        start = number * SAMPLE_RATE // 2 + int(rng.integers(0, 1_500))
        wave[start : start + len(time)] += rng.uniform(0.3, 0.8) * np.mean(modes, axis=0)[: len(wave) - start]
    return wave


def _of_tones(kind: str) -> Callable[[], np.ndarray]:
    return lambda: tones.make(kind, np.random.default_rng(5))


MUSIC: dict[str, Callable[[], np.ndarray]] = {"strings": _strings, "beat": _beat}
SOUND: dict[str, Callable[[], np.ndarray]] = {
    "rain": _rain, "knocks": _knocks, "siren": _of_tones("sirens"), "bells": _of_tones("bells"),
}  # fmt: skip
