"""Clips of the free corpus as items of a task."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from codec.data.store import SAMPLE_RATE, Corpus, Entry
from eval.semantics.tasks.item import Item

MAX_SECONDS = 10


class Clips:
    """The corpus without its sped-up copies, and how to cut items out of it.

    Args:
        corpus: a built one.
    """

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus
        self.entries = [entry for entry in corpus.entries if entry.speed == 1.0]

    def of(self, *origins: str) -> list[Entry]:
        """Entries of some packages, named by how they begin."""
        return [entry for entry in self.entries if entry.clip.origin.startswith(origins)]

    def item(self, entry: Entry, label: str, group: str, split: str, start: int = 0, seconds: float = MAX_SECONDS) -> Item:
        """The beginning of a clip, or a part of it, as an item."""
        samples = round(seconds * SAMPLE_RATE)
        first = entry.start + start
        wave = np.array(self._corpus.audio[first : first + min(samples, entry.samples - start)])
        return Item(wave, label, group, split, heard=entry.split == "train")

    def crops(self, entry: Entry, label: str, group: str, split: str, seconds: float, at_most: int) -> list[Item]:
        """Evenly spread crops of one length; a shorter clip is one item."""
        samples = round(seconds * SAMPLE_RATE)
        count = min(at_most, max(1, entry.samples // samples))
        starts = np.linspace(0, max(0, entry.samples - samples), count).astype(int)
        return [self.item(entry, label, group, split, int(start), seconds) for start in starts]


def label_of(entry: Entry, key: str) -> str:
    """A label of the corpus, empty if the clip has none of that name."""
    return entry.clip.labels.get(key, "")


def shares(names: Iterable[str], seed: int, valid: int, test: int) -> Callable[[str], str]:
    """Puts whole sources into splits at random.

    Args:
        names: of the sources.
        seed: of the choice.
        valid: how many of them validate.
        test: how many of them test.

    Example:
        >>> split = shares("abcd", seed=0, valid=1, test=1)
        >>> sorted(split(name) for name in "abcd")
        ['test', 'train', 'train', 'valid']
    """
    ordered: Sequence[str] = sorted(set(names))
    shuffled = [ordered[i] for i in np.random.default_rng(seed).permutation(len(ordered))]
    held = dict.fromkeys(shuffled[:test], "test") | dict.fromkeys(shuffled[test : test + valid], "valid")
    return lambda name: held.get(name, "train")
