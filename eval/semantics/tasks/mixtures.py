"""How many people speak at once: mixtures of synthetic voices, none of whom is in two splits."""

from __future__ import annotations

from itertools import product

import numpy as np

from eval.semantics.tasks.corpus_clips import Clips
from eval.semantics.tasks.item import Item
from eval.semantics.tasks.programs import SAMPLE_RATE, Voice, say_all, to_int16

SPEAKERS = {
    "train": (
        *(Voice("espeak-ng", name) for name in ("m1", "m2", "m3", "m4", "m5", "f1", "f2", "f3")),
        *(Voice("flite", name) for name in ("awb", "kal16")),
    ),
    "valid": (Voice("flite", "rms"), Voice("espeak-ng", "f4"), Voice("espeak-ng", "m6")),
    "test": (Voice("flite", "slt"), Voice("espeak-ng", "klatt4"), Voice("espeak-ng", "f5"), Voice("espeak-ng", "m7")),
}
MOST = 3
"""Speakers at a time."""
MIXTURES = {"train": 60, "valid": 12, "test": 30}
"""Of each number of speakers."""
LATEST, LONGEST = 0.4, 4.0
"""Seconds until a speaker begins, and of a clip."""
LEVEL_DB, SPREAD_DB = -24.0, 3.0
"""Of the whole mixture, and of speakers against each other."""


def speaker_count(clips: Clips, seed: int) -> list[Item]:
    """One, two or three voices that read numbers; all clips are equally loud, and levels within them differ."""
    random, items = np.random.default_rng(seed), []
    for split, voices in SPEAKERS.items():
        chosen = [
            (count, [voices[i] for i in random.choice(len(voices), count, replace=False)])
            for count, _ in product(range(1, MOST + 1), range(MIXTURES[split]))
        ]
        numbers = iter(random.integers(100_000, 999_999, sum(count for count, _ in chosen)))
        said = iter(say_all([(voice, str(next(numbers)), "en") for _, speakers in chosen for voice in speakers]))
        for count, speakers in chosen:
            wave = mixed([next(said) for _ in speakers], random)
            first, *others = sorted(voice.name for voice in speakers)
            items.append(Item(wave, str(count), first, split, also=tuple(others)))
    return items


def mixed(waves: list[np.ndarray], random: np.random.Generator) -> np.ndarray:
    """Voices laid over each other, begun at different moments: ``(samples,)`` int16."""
    total = np.zeros(round(LONGEST * SAMPLE_RATE))
    end = 0
    for wave in waves:
        start = int(random.integers(0, round(LATEST * SAMPLE_RATE)))
        kept = wave[: len(total) - start].astype(np.float64)
        kept *= 10 ** (random.uniform(-SPREAD_DB, SPREAD_DB) / 20) / max(np.sqrt(np.mean(kept**2)), 1e-9)
        total[start : start + len(kept)] += kept
        end = max(end, start + len(kept))
    heard = total[:end]
    return to_int16(heard * 10 ** (LEVEL_DB / 20) / max(np.sqrt(np.mean(heard**2)), 1e-9))
