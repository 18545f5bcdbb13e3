"""A walk through a folder of recordings, and what it leaves out."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SHOWN_SUFFIXES = 4


@dataclass(frozen=True)
class PassedOver:
    """What lies below a folder and is not taken.

    Attributes:
        others: suffixes of files of other kinds, and how many there are of each.
        linked: folders that are links; nobody enters them, since links may lead in circles.
    """

    others: dict[str, int]
    linked: int

    def __str__(self) -> str:
        """A line for people; empty if there is nothing to tell."""
        common = Counter(self.others).most_common(SHOWN_SUFFIXES)
        named = ", ".join(f"{count} {suffix or 'without a suffix'}" for suffix, count in common)
        rest = "" if len(self.others) <= SHOWN_SUFFIXES else ", …"
        files = f"files of other kinds are left out: {sum(self.others.values())} ({named}{rest})" if self.others else ""
        links = f"linked folders are not entered: {self.linked}" if self.linked else ""
        return "; ".join(filter(None, (files, links)))


def names_below(folder: Path, taken: frozenset[str]) -> Iterator[str]:
    """Names of all files of some kinds, relative to the folder, in no order: texts, since paths are slow for 100 000 of them.

    Hidden files are none of them: ``._a.wav`` beside ``a.wav`` is what a Mac leaves on foreign disks, and no audio.

    Args:
        folder: with everything below it, but for linked folders.
        taken: suffixes in lower case.
    """
    for place, _, files in _walk(folder):
        inside = os.path.relpath(place, folder)
        for name in files:
            if _suffix(name) in taken and os.path.isfile(os.path.join(place, name)):
                yield name if inside == os.curdir else os.path.join(inside, name)


def paths_below(folder: Path, taken: frozenset[str]) -> list[Path]:
    """Paths of what `names_below` names, in a stable order."""
    return sorted(folder / name for name in names_below(folder, taken))


def passed_over(folder: Path, taken: frozenset[str]) -> PassedOver:
    """Counts files whose suffix is not among the taken ones, but for hidden ones, and linked folders.

    Args:
        folder: with everything below it.
        taken: suffixes in lower case.
    """
    others: Counter[str] = Counter()
    linked = 0
    for place, folders, files in _walk(folder):
        linked += sum(os.path.islink(os.path.join(place, name)) for name in folders)
        others.update(suffix for suffix in map(_suffix, files) if suffix not in taken)
    return PassedOver(dict(sorted(others.items())), linked)


def _walk(folder: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """Every folder, its folders, and its files that are not hidden."""
    for place, folders, files in os.walk(folder):
        yield place, folders, [name for name in files if not name.startswith(".")]


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()
