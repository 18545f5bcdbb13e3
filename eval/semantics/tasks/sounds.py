"""Drums, kinds of audio, kinds of music: tasks on sounds that are not speech."""

from __future__ import annotations

import re

from codec.data.domains import DOMAINS
from eval.semantics.tasks.corpus_clips import Clips, label_of, shares
from eval.semantics.tasks.item import Item, without_repeats, without_unlearnable

DRUMS = {
    "hat": r"hi.?hat|\bhh|_hh|chh|ohh|\bho_|hat[ _]|hat\d|hhat",
    "snare": r"snare|\bsn_|\bsd_|\bsr_|\brs_|sabmute",
    "kick": r"kick|\bbd|_bd|bass.?drum|_k_|thumps",
    "tom": r"tom|\btm_|\bft_|\bt\d_",
    "crash": r"crash(?!ride)|\bcc_|china|splash|cra_rock",
    "ride": r"ride|\brd|\brc_|paiste",
    "clap": r"clap|snap",
    "hand drum": r"djembe|dununba|kenkeni|sangban|bongo|conga|cajonslaps",
    "bell": r"cowbell|agogo|\bcb\d?_|clave|\bbl_",
}
"""Class → what its files are called; the first that fits. Sticks, rims, shakers and numbered beats stay out."""
HIT_SECONDS = 2
CROP_SECONDS, CROPS = 3, 4
"""Of a track: more from the same one say little that is new and cost as much to embed."""


def drum(clips: Clips, seed: int) -> list[Item]:
    """Which drum is hit, in kits never heard."""
    items = []
    named = [(entry, drum_of(label_of(entry, "instrument"))) for entry in clips.of("hydrogen")]
    split = shares((label_of(entry, "kit") for entry, name in named if name), seed, valid=2, test=4)
    for entry, name in named:
        if name:
            kit = label_of(entry, "kit")
            items.append(clips.item(entry, name, kit, split(kit), seconds=HIT_SECONDS))
    return without_unlearnable(without_repeats(items), at_least=8)


def drum_of(name: str) -> str:
    """Which drum a file is named after; empty for what stays out."""
    found = (drum for drum, pattern in DRUMS.items() if re.search(pattern, name.lower()))
    return "" if re.search(r"rim|stick|click", name.lower()) else next(found, "")


def domain(clips: Clips, seed: int) -> list[Item]:
    """Speech, music or sound, from packages never heard."""
    packages = {
        "train": ("klettres", "asterisk-core", "warzone", "hydrogen", "sonic-pi"),
        "valid": ("asterisk-prompt", "asterisk-moh", "oxygen"),
        "test": ("hedgewars", "wesnoth", "supertuxkart", "sound-theme"),
    }
    at_most = {"train": 100, "valid": 25, "test": 60}
    items: list[Item] = []
    for split, origins in packages.items():
        for kind in DOMAINS:
            entries = [entry for entry in clips.of(*origins) if entry.clip.domain == kind]
            crops = [crop for e in entries for crop in clips.crops(e, kind, e.clip.source, split, CROP_SECONDS, 12)]
            step = max(1, len(crops) // at_most[split])
            items += crops[::step][: at_most[split]]
    return without_repeats(items)


def music_family(clips: Clips, seed: int) -> list[Item]:
    """Which game a track is from: electronic, orchestral, or for racing; tracks never heard."""
    items = []
    for origin in ("warzone2100", "wesnoth", "supertuxkart", "hedgewars"):
        entries = [e for e in clips.of(origin) if e.clip.domain == "music" and e.samples > CROP_SECONDS * 16_000]
        split = shares((entry.clip.source for entry in entries), seed, valid=3, test=7)
        for entry in entries:
            items += clips.crops(entry, origin, entry.clip.source, split(entry.clip.source), CROP_SECONDS, CROPS)
    return without_repeats(items)
