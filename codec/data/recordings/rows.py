"""What a source is made of before anything is encoded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from codec.data.recordings.places import Place


@dataclass(frozen=True)
class Row:
    """One recording of a corpus, or what there is instead of one.

    Attributes:
        key: its name, unique in the corpus.
        source: where it comes from, for people.
        place: of the audio.
        metadata: everything else that the source says of it; JSON.
        problem: why it cannot be used, if that is known before it is read; it has no place then.
    """

    key: str
    source: str
    place: Place | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    problem: str | None = None
