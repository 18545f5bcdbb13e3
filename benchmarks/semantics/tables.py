"""How embedders are called in tables."""

from __future__ import annotations

from eval.semantics.scores import Score

OURS = "semcodec@"
"""How the names of our codec's tokens begin."""
MARK = "\\*"
"""Of random weights."""
FIRST = (
    *("domain", "drum", "instrument_family", "language", "letter_or_digit", "music_family"),
    *("object_word", "prompt", "prompt_language", "taunt", "word"),
)
"""The tasks from free audio that goals were set for; means over them go on where others have come."""


def label(score: Score) -> str:
    """An embedder's name, random weights with a mark; bold is left to what is best."""
    return score.embedder if score.trained else f"{score.embedder}{MARK}"
