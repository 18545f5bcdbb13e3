"""Copies of training clips at other speeds, some in other rooms: the cheapest way to more voices from few speakers."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import soxr

from codec.audio.pcm import to_int16
from codec.data.domains import Domain
from codec.data.progress import heard
from codec.data.room import rerecord
from codec.data.scene import disturb
from codec.data.store import SAMPLE_RATE, Corpus, Entry, line

SPEED_RANGE = (0.8, 1.25)


def perturb(
    corpus: Corpus, copies: Mapping[Domain, int], seed: int = 0, rerecorded: float = 0.0, disturbed: float = 0.0
) -> float:
    """Appends sped-up and slowed-down copies of training clips to a corpus, in place.

    Playing at another speed moves pitch, formants and tempo together, as between a child and a giant.

    Args:
        corpus: a built corpus; if it already holds copies, it stays as it is.
        copies: how many copies per clip of each domain, e.g. ``{"speech": 3}``.
        seed: of the speeds, which are log-uniform in 0.8 … 1.25.
        rerecorded: share of the copies that also get another tone, room and noise; see `codec.data.room`.
        disturbed: share of the copies that another clip sounds beside, or that a telephone, a far microphone or an overdriven
            recorder took; see `codec.data.scene`.

    Returns:
        Hours of copies that are there, made now or before: a run that was killed just after making them records the same.
    """
    originals = [entry for entry in corpus.select("train") if copies.get(entry.clip.domain, 0)]
    if not originals or any(entry.speed != 1.0 for entry in corpus.entries):
        return _hours_of_copies(corpus.entries)
    rng, others = np.random.default_rng(seed), corpus.select("train")
    position = len(corpus.audio)
    grown: list[Entry] = []
    with (corpus.folder / "audio.i16").open("r+b") as audio:
        audio.truncate(2 * position)  # what a killed run may have left behind the manifest's last clip
        audio.seek(0, 2)
        for entry in heard(
            "perturbing speed", originals, lambda entry: entry.seconds, sum(entry.seconds for entry in originals)
        ):
            wave = corpus.wave(entry)
            for _ in range(copies[entry.clip.domain]):
                speed = round(math.exp(rng.uniform(math.log(SPEED_RANGE[0]), math.log(SPEED_RANGE[1]))), 4)
                speed = 1.0001 if speed == 1 else speed  # which is what originals have
                copy = soxr.resample(wave, SAMPLE_RATE * speed, SAMPLE_RATE)
                if rerecorded and rng.random() < rerecorded:
                    copy = rerecord(copy, rng)
                if disturbed and rng.random() < disturbed:
                    copy = disturb(copy, corpus.wave(others[rng.integers(len(others))]), rng)
                written = to_int16(copy).tobytes()
                audio.write(written)
                digest = hashlib.sha256(written).hexdigest()
                grown.append(dataclasses.replace(entry, start=position, samples=len(copy), speed=speed, sha256=digest))
                position += len(copy)
    manifest = Path(corpus.folder / "clips.jsonl")
    staged = manifest.with_suffix(".new")
    staged.write_text(manifest.read_text("utf-8") + "".join(map(line, grown)), "utf-8")
    staged.replace(manifest)
    return _hours_of_copies(grown)


def _hours_of_copies(entries: Iterable[Entry]) -> float:
    return sum(entry.samples for entry in entries if entry.speed != 1.0) / SAMPLE_RATE / 3600
