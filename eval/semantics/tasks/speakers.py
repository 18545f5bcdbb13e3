"""Who speaks, whatever is said: pairs of clips by speakers that training never heard."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from codec.audio.pcm import from_int16
from codec.data.room import rerecord
from codec.data.store import Entry
from eval.semantics.tasks.corpus_clips import Clips, label_of, shares
from eval.semantics.tasks.item import Item, without_repeats
from eval.semantics.tasks.programs import to_int16

PACKAGES = ("asterisk", "hedgewars", "klettres", "ktuberling")
"""In this order; of volunteers who read one language for two of them, perhaps the same person, the first is kept."""
SHORTEST_SECONDS, LONGEST_SECONDS = 0.8, 4.0
FEWEST, MOST = 8, 12
"""Clips of a speaker."""


def speaker_verification(clips: Clips, seed: int) -> list[Item]:
    """Whether two clips have one speaker. No speaker says a text twice, and every clip is moved to a room of its own."""
    random = np.random.default_rng(seed)
    people: dict[str, dict[str, Entry]] = {}
    origins: dict[str, str] = {}
    for package in PACKAGES:
        for entry in clips.of(package):
            person, prompt = person_of(entry), label_of(entry, "prompt")
            usable = person and prompt and entry.clip.domain == "speech" and entry.seconds >= SHORTEST_SECONDS
            if usable and origins.setdefault(person, package) == package:
                people.setdefault(person, {}).setdefault(prompt, entry)
    enough = {person: list(said.values()) for person, said in sorted(people.items()) if len(said) >= FEWEST}
    split = shares(enough, seed, valid=len(enough) // 8, test=len(enough) // 4)
    items = []
    for person, said in enough.items():
        for number in sorted(random.permutation(len(said))[:MOST]):
            item = clips.item(said[number], person, person, split(person), seconds=LONGEST_SECONDS)
            moved = rerecord(from_int16(item.wave), random, chance=1.0)
            items.append(replace(item, wave=to_int16(moved)))
    return without_repeats(items)


def person_of(entry: Entry) -> str:
    """Who speaks; telephone prompts in two languages are by one person, and volunteers are known by their language alone.

    Example:
        >>> from codec.data.recording import Recording
        >>> clip = Recording("", "", "speech", "asterisk", {"speaker": "es_MX_f_Allison"})
        >>> person_of(Entry(clip, "train", 0, 1))
        'Allison'
    """
    speaker = label_of(entry, "speaker")
    volunteer = speaker.startswith(("klettres-", "ktuberling-"))
    return f"volunteer {speaker.partition('-')[2]}" if volunteer else speaker.rpartition("_f_")[2].rpartition("_m_")[2]
