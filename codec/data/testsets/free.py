"""Held-out clips of the free corpus, or of any other that ``codec train corpus`` built."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from codec.data.domains import DOMAINS
from codec.data.store import SAMPLE_RATE, Corpus, Entry
from codec.data.synthetic import ORIGIN as SYNTHETIC
from codec.data.testsets.clip import Clip
from codec.errors import CodecError

MIN_SECONDS = {"speech": 1.5, "music": 0.4, "sound": 0.4}
MAX_SECONDS = 10.0
MUSIC_SECONDS = 6.0
MUSIC_STEP = 20
"""Crops of music begin 5, 25, 45 … s into a track."""
MUSIC_CROPS = 12
FULL_SECONDS = 1.25
"""Every metric has a value from here on: ViSQOL needs 0.96 s of what is left once a codec's delay is taken out."""


def held_out(folder: Path, split: str = "test", per_domain: int | None = None, seed: int = 0) -> list[Clip]:
    """Speech of at least 1.5 s, those with a transcript first; 6 s crops of music; sounds as they are; 10 s at most.

    Clips that are long enough for every metric come before shorter ones, so that a choice of ``per_domain`` seldom has any
    of these. The choice does not depend on the metrics that are asked for: figures of two runs are about the same clips.

    Recordings only: synthetic speech helps training, but how well it is coded says little about people's voices.

    Args:
        folder: the corpus.
        split: ``valid`` for choosing, ``test`` for reporting.
        per_domain: at most so many of each; None: all.
        seed: of their order.

    Raises:
        CodecError: no corpus there, or nothing in the split.
    """
    corpus = Corpus(folder)
    clips: list[Clip] = []
    for domain in DOMAINS:
        shortest = MIN_SECONDS[domain] * SAMPLE_RATE
        entries = [e for e in corpus.select(split, domain) if e.speed == 1 and e.samples >= shortest]
        entries = [e for e in entries if e.clip.origin != SYNTHETIC]
        order = np.random.default_rng(seed).permutation(len(entries)).tolist()
        order.sort(key=lambda i, entries=entries: _rank(entries[i]))
        pool = [_crop(corpus, entries[i], part) for part in range(MUSIC_CROPS) for i in order if _has_part(entries[i], part)]
        clips += pool[:per_domain]
    if not clips:
        raise CodecError(f"{folder}: no clips in the split {split!r}")
    return clips


def _rank(entry: Entry) -> tuple[bool, bool]:
    """What is judged by more metrics comes first."""
    return "text" not in entry.clip.labels, entry.samples < FULL_SECONDS * SAMPLE_RATE


def _has_part(entry: Entry, part: int) -> bool:
    return part == 0 or (entry.clip.domain == "music" and entry.samples > (part + 1) * MUSIC_STEP * SAMPLE_RATE)


def _crop(corpus: Corpus, entry: Entry, part: int) -> Clip:
    start, samples = 0, min(round(MAX_SECONDS * SAMPLE_RATE), entry.samples)
    if entry.clip.domain == "music":
        samples = min(round(MUSIC_SECONDS * SAMPLE_RATE), entry.samples)
        start = min((part * MUSIC_STEP + 5) * SAMPLE_RATE, entry.samples - samples)
    whole = samples == entry.samples
    return Clip(
        name=f"{entry.clip.source}@{entry.start + start}",
        path=str(corpus.folder / "audio.i16"),
        domain=entry.clip.domain,
        source=entry.clip.source,
        start=(entry.start + start) / SAMPLE_RATE,
        duration=samples / SAMPLE_RATE,
        text=entry.clip.labels.get("text") if whole else None,  # of a clip that was cut, the words are not known
        language=entry.clip.labels.get("language"),
    )
