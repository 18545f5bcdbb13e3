"""A clip of a task before it is written, and what must hold of all of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from codec.errors import CodecError
from eval.semantics.interface import SPLITS


@dataclass(frozen=True, eq=False)
class Item:
    """A labelled clip.

    Attributes:
        wave: ``(samples,)`` int16 at 16 kHz.
        label: its class; empty if there are events.
        group: what must never be on both sides of a split: a speaker, a kit, a track, a program, a speaker's text.
        split: train, valid or test.
        heard: the default model was trained on this very recording (without labels).
        also: more groups that it belongs to, if it is made of several recordings.
        events: onset and offset in seconds, and class, of what sounds when.
    """

    wave: np.ndarray
    label: str
    group: str
    split: str
    heard: bool = False
    also: tuple[str, ...] = ()
    events: tuple[tuple[float, float, str], ...] = ()

    @property
    def classes(self) -> set[str]:
        """Its label, or those of its events."""
        return {name for _, _, name in self.events} if self.events else {self.label}


def check(name: str, items: Sequence[Item], known_classes: bool = True) -> None:
    """Refuses a task that leaks or cannot be learned.

    Args:
        name: of the task.
        items: of all splits.
        known_classes: what is tested must have been shown in training, as it must not in verification.

    Raises:
        CodecError: a group on two sides, the same audio on two sides, an empty split, a class that training never shows.
    """
    sides: dict[str, set[str]] = defaultdict(set)
    for item in items:
        for group in (item.group, *item.also):
            sides[group].add(item.split)
        sides[f"audio {hash(item.wave.tobytes())}"].add(item.split)
    leaks = sorted(group for group, splits in sides.items() if len(splits) > 1)
    if leaks:
        raise CodecError(f"task {name}: {leaks[0]} is on two sides of the split ({len(leaks)} such)")
    for split in SPLITS:
        if not any(item.split == split for item in items):
            raise CodecError(f"task {name}: the {split} split is empty; is the corpus complete?")
    classes = {split: {name for item in items if item.split == split for name in item.classes} for split in SPLITS}
    strange = sorted((classes["valid"] | classes["test"]) - classes["train"])
    if known_classes and strange:
        raise CodecError(f"task {name}: class {strange[0]} is tested but never shown in training")


def without_unlearnable(items: Sequence[Item], at_least: int = 1) -> list[Item]:
    """Leaves out classes with fewer training clips than ``at_least``, or with none to test."""
    train = Counter(item.label for item in items if item.split == "train")
    test = {item.label for item in items if item.split == "test"}
    return [item for item in items if train[item.label] >= at_least and item.label in test]


def without_repeats(items: Sequence[Item]) -> list[Item]:
    """Leaves out all but the first clip of identical audio: packages hold the same recording under several names."""
    seen: set[bytes] = set()
    kept = []
    for item in items:
        content = item.wave.tobytes()
        if content not in seen:
            kept.append(item)
        seen.add(content)
    return kept
