"""How fast a beat is: bars played on recorded drum kits, by kits never heard."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from eval.semantics.tasks.corpus_clips import Clips, label_of, shares
from eval.semantics.tasks.item import Item, without_repeats, without_unlearnable
from eval.semantics.tasks.programs import SAMPLE_RATE
from eval.semantics.tasks.sounds import drum_of

TEMPOS = (60, 75, 94, 117, 146, 183)
"""In beats a minute, a quarter apart."""
SECONDS, HIT_SECONDS, VARIATIONS = 5.0, 1.0, 3
OMITTED, LOOSE_SECONDS = 0.12, 0.008
"""Share of hits that are left out, and by how much they are early or late."""
PEAK = 20_000


def tempo(clips: Clips, seed: int) -> list[Item]:
    """Beats a minute of a kick, a snare and, where the kit has one, a hat: bars of four, played loosely."""
    kits: dict[str, dict[str, list[np.ndarray]]] = defaultdict(lambda: defaultdict(list))
    for entry in clips.of("hydrogen"):
        if (name := drum_of(label_of(entry, "instrument"))) in ("kick", "snare", "hat"):
            kits[label_of(entry, "kit")][name].append(clips.item(entry, "", "", "", seconds=HIT_SECONDS).wave)
    whole = {kit: hits for kit, hits in sorted(kits.items()) if hits["kick"] and hits["snare"]}
    split = shares(whole, seed, valid=2, test=4)
    random = np.random.default_rng(seed)
    items = [
        Item(played(hits, beats, random), str(beats), kit, split(kit))
        for kit, hits in whole.items()
        for beats in TEMPOS
        for _ in range(VARIATIONS)
    ]
    return without_unlearnable(without_repeats(items))


def played(hits: Mapping[str, Sequence[np.ndarray]], beats: int, random: np.random.Generator) -> np.ndarray:
    """``(samples,)`` int16: hits on the beats and hats between, from a random place in the bar on.

    Args:
        hits: recordings of kick, snare and hat.
        beats: a minute.
        random: decides everything else.
    """
    wave = np.zeros(round((SECONDS + HIT_SECONDS) * SAMPLE_RATE))
    chosen = {name: sounds[int(random.integers(len(sounds)))] for name, sounds in hits.items() if sounds}
    half, first = 30 / beats, int(random.integers(8))
    time, number = float(random.uniform(0, half)), first
    while time < SECONDS:
        drums = ["hat"] if number % 2 else ["kick" if number % 4 == 0 else "snare", "hat"]
        for name in drums:
            if name in chosen and random.random() >= OMITTED:
                start = max(0, round((time + random.normal(0, LOOSE_SECONDS)) * SAMPLE_RATE))
                hit = chosen[name][: len(wave) - start].astype(np.float64)
                wave[start : start + len(hit)] += hit * random.uniform(0.5, 1.0)
        time, number = time + half, number + 1
    kept = wave[: round(SECONDS * SAMPLE_RATE)]
    return np.round(kept * (PEAK / max(np.abs(kept).max(), 1))).astype(np.int16)
