"""What a walk through a folder of recordings leaves out."""

from __future__ import annotations

import os
from collections import Counter
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


def passed_over(folder: Path, taken: frozenset[str]) -> PassedOver:
    """Counts files whose suffix is not among the taken ones, but for hidden ones, and linked folders.

    Args:
        folder: with everything below it.
        taken: suffixes in lower case.
    """
    others: Counter[str] = Counter()
    linked = 0
    for place, folders, files in os.walk(folder):
        linked += sum(os.path.islink(os.path.join(place, name)) for name in folders)
        suffixes = (os.path.splitext(name)[1].lower() for name in files if not name.startswith("."))
        others.update(suffix for suffix in suffixes if suffix not in taken)
    return PassedOver(dict(sorted(others.items())), linked)
