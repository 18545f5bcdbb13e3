"""One recording of a corpus, and the split it belongs to for ever."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Literal

from codec.data.domains import Domain

Split = Literal["train", "valid", "test"]
HELD_OUT_SHARE = 0.07
"""Share of sources in each of validation and test."""
SALT = 128
"""The first salt that gives both held-out splits between 5 % and 7.5 % of the minutes of every domain."""


@dataclass(frozen=True)
class Recording:
    """A recording and what is known of it.

    Attributes:
        path: the file.
        source: what must never be on both sides of a split: a track, a speaker × text, a drum kit.
        domain: speech, music or sound.
        origin: package or dataset that it came from (for the data card).
        labels: e.g. ``{"language": "it", "text": "uno", "speaker": "Carlo"}``.
        unpacked: where the audio lies while a corpus is built, if ``path`` is inside an archive; a manifest leaves it out.
        split: where whoever made the clip decides it, as for voices that are held out; else `split_of` its source.
    """

    path: str
    source: str
    domain: Domain
    origin: str
    labels: dict[str, str] = field(default_factory=dict)
    unpacked: str = ""
    split: Split | None = None


@dataclass(frozen=True)
class LeftOut:
    """What a reader cannot make a clip of; the report names it.

    Attributes:
        path: of the file, or of what is inside it.
        problem: why, its kind before a colon.
    """

    path: str
    problem: str


def split_of(source: str) -> Split:
    """Train, validation or test, by a hash of the source's name alone: it never changes as the corpus grows.

    Example:
        >>> split_of("warzone2100-music/track1.opus") == split_of("warzone2100-music/track1.opus")
        True
    """
    position = int.from_bytes(hashlib.sha256(f"{SALT}:{source}".encode()).digest()[:8], "big") / 2**64
    if position < HELD_OUT_SHARE:
        return "test"
    return "valid" if position < 2 * HELD_OUT_SHARE else "train"
