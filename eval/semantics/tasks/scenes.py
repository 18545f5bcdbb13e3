"""What sounds when: scenes of speech, music and drums over noise, from speakers, tracks and kits never heard."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from codec.data.store import Entry
from eval.semantics.interface import SPLITS
from eval.semantics.tasks.corpus_clips import Clips, label_of, shares
from eval.semantics.tasks.item import Item, without_repeats
from eval.semantics.tasks.programs import SAMPLE_RATE, to_int16
from eval.semantics.tasks.sounds import drum_of
from eval.semantics.tasks.speakers import person_of

DRUMS = ("hat", "snare", "kick", "tom", "crash")
SCENES = {"train": 240, "valid": 40, "test": 80}
SECONDS = 8.0
FEWEST, MOST = 2, 5
"""Events of a scene."""
LONGEST = {"speech": 3.0, "music": 3.0}
HIT_SECONDS = 1.5
HELD_OUT = {"speech": (2, 6), "music": (6, 16), "drums": (2, 4)}
"""Speakers, tracks and kits that validate, and that test."""
LOUDEST, QUIETEST = 0.25, 0.05
"""Of an event's loudest 20 ms, root mean square."""
NOISE = 0.003
FADE_IN_SECONDS, FADE_OUT_SECONDS = 0.002, 0.02
WINDOW = SAMPLE_RATE // 50
AUDIBLE_DB = 30.0
"""Below its loudest moment, an event has ended."""


@dataclass(frozen=True, eq=False)
class Sound:
    """A sound that may become an event.

    Attributes:
        wave: ``(samples,)`` float in ±1, from its onset to its end.
        source: that must be on one side of a split.
        heard: the default model was trained on it.
    """

    wave: np.ndarray
    source: str
    heard: bool


def sound_events(clips: Clips, seed: int) -> list[Item]:
    """Which of seven kinds of sound are there, second by second."""
    sounds, random = _sounds(clips, seed), np.random.default_rng(seed)
    items = []
    for split in SPLITS:
        kinds = {kind: own for (side, kind), own in sorted(sounds.items()) if side == split}
        items += [scene(kinds, split, random) for _ in range(SCENES[split] if kinds else 0)]
    return without_repeats(items)


def scene(sounds: Mapping[str, Sequence[Sound]], split: str, random: np.random.Generator) -> Item:
    """Events at random places over noise.

    Args:
        sounds: to choose from, by kind.
        split: that they belong to.
        random: decides everything.
    """
    wave = NOISE * random.standard_normal(round(SECONDS * SAMPLE_RATE))
    events, chosen = [], []
    for _ in range(int(random.integers(FEWEST, MOST + 1))):
        kind = str(random.choice(list(sounds)))
        sound = sounds[kind][int(random.integers(len(sounds[kind])))]
        start = int(random.integers(0, len(wave) - len(sound.wave)))
        level = QUIETEST * (LOUDEST / QUIETEST) ** random.random()
        wave[start : start + len(sound.wave)] += sound.wave * level / max(_loudness(sound.wave).max(), 1e-9)
        events.append((round(start / SAMPLE_RATE, 4), round((start + len(sound.wave)) / SAMPLE_RATE, 4), kind))
        chosen.append(sound)
    sources = list(dict.fromkeys(sound.source for sound in chosen))
    heard = any(sound.heard for sound in chosen)
    return Item(to_int16(wave), "", sources[0], split, heard, tuple(sources[1:]), tuple(sorted(events)))


def audible(wave: np.ndarray) -> np.ndarray:
    """The part from the first to the last 20 ms within `AUDIBLE_DB` of the loudest ones, faded at both ends."""
    loud = _loudness(wave)
    inside = np.flatnonzero(loud > loud.max() * 10 ** (-AUDIBLE_DB / 20))
    if not len(inside):
        return wave[:0]
    kept = wave[inside[0] * WINDOW : (inside[-1] + 1) * WINDOW].copy()
    rising, falling = (np.linspace(0, 1, round(time * SAMPLE_RATE)) for time in (FADE_IN_SECONDS, FADE_OUT_SECONDS))
    kept[: len(rising)] *= rising[: len(kept)]
    kept[-len(falling) :] *= falling[::-1][-len(kept) :]
    return kept


def _loudness(wave: np.ndarray) -> np.ndarray:
    """Root mean square of every 20 ms."""
    whole = np.pad(wave, (0, max(0, WINDOW - len(wave))))
    return np.sqrt(np.mean(whole[: len(whole) // WINDOW * WINDOW].reshape(-1, WINDOW) ** 2, axis=1))


def _sounds(clips: Clips, seed: int) -> dict[tuple[str, str], list[Sound]]:
    """The sounds by split and kind."""
    speech = [entry for entry in clips.of("asterisk", "hedgewars") if entry.clip.domain == "speech"]
    music = [entry for entry in clips.entries if entry.clip.domain == "music" and entry.seconds > 2 * LONGEST["music"]]
    hits = [(entry, drum_of(label_of(entry, "instrument"))) for entry in clips.of("hydrogen")]
    named = [("speech", "speech", person_of(entry), entry) for entry in speech]
    named += [("music", "music", entry.clip.source, entry) for entry in music]
    named += [("drums", drum, label_of(entry, "kit"), entry) for entry, drum in hits if drum in DRUMS]
    sides = {
        family: shares((source for kind, _, source, _ in named if kind == family), seed, *HELD_OUT[family])
        for family in HELD_OUT
    }
    found: dict[tuple[str, str], list[Sound]] = defaultdict(list)
    for family, kind, source, entry in named:
        if len(wave := _part(clips, entry, kind)):
            found[sides[family](source), kind].append(Sound(wave, f"{family} {source}", entry.split == "train"))
    return found


def _part(clips: Clips, entry: Entry, kind: str) -> np.ndarray:
    start = entry.samples // 3 if kind == "music" else 0  # its beginning may be silent
    item = clips.item(entry, "", "", "", start, LONGEST.get(kind, HIT_SECONDS))
    return audible(item.wave.astype(np.float64) / 32768)
