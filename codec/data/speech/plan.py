"""Who says what: an endless list of lines, the same one every time, whose every beginning has all voices and kinds of text."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from codec.data.recording import Split, split_of
from codec.data.speech import texts
from codec.data.speech.voices import HELD_OUT_VOICES, language_of, training_voices

LANGUAGES = {"en-us": 0.44, "en-gb": 0.16, "es": 0.1, "fr": 0.07, "it": 0.06, "pt": 0.05, "hi": 0.02, "ja": 0.05, "zh": 0.05}
"""Shares of lines."""
KINDS = {"quotation": 0.3, "example": 0.2, "dialogue": 0.25, "question": 0.08, "name": 0.05, "number": 0.06, "word": 0.06}
"""Shares of lines; those that a language lacks go to the others in proportion."""
HELD_OUT_SHARE = 0.04
"""Of lines, for each of validation and test, by voices that training never hears."""
MIXED_SHARE = 0.55
"""Of training lines that a mixture of two voices says; a mixture sounds like a third person."""
FOREIGN_SHARE = 0.25
"""Of training lines that a voice of another language says, with its accent."""
SLOWEST, FASTEST = 0.8, 1.25


@dataclass(frozen=True)
class Line:
    """Something that somebody says.

    Attributes:
        text: as it is written.
        language: that it is read as.
        kind: of text.
        voices: share of each voice in the speaker's.
        speed: of speaking; 1 is the voice's own.
        split: train, or what a held-out voice and text belong to.
    """

    text: str
    language: str
    kind: str
    voices: dict[str, float]
    speed: float
    split: Split

    @property
    def speaker(self) -> str:
        """Name of the voice or the mixture."""
        return "+".join(name if share == 1 else f"{name}*{share:.2f}" for name, share in self.voices.items())

    @property
    def digest(self) -> str:
        """Names the files of this line, whatever place it has in the list."""
        return hashlib.sha256(
            json.dumps([self.text, self.language, self.speaker, self.speed], ensure_ascii=False).encode()
        ).hexdigest()[:20]


def lines(packages: Path, seed: int = 0) -> Iterator[Line]:
    """Lines without an end.

    Args:
        packages: folder of Debian packages, for the texts.
        seed: of who says what.

    Raises:
        CodecError: texts are missing.
    """
    rng = random.Random(seed)
    library: dict[str, dict[tuple[str, Split], list[str]]] = {}
    held_out = {split: [voice for voice, kept in HELD_OUT_VOICES.items() if kept == split] for split in ("valid", "test")}
    while True:
        chance = rng.random()
        split: Split = "valid" if chance < HELD_OUT_SHARE else "test" if chance < 2 * HELD_OUT_SHARE else "train"
        if split == "train":
            language = rng.choices(list(LANGUAGES), list(LANGUAGES.values()))[0]
            voices = _training_voices(language, rng)
        else:
            voice = rng.choice(held_out[split])
            language, voices = language_of(voice), {voice: 1.0}
        if language not in library:
            library[language] = _by_split(texts.load(packages, language))
        kind, text = _draw(library[language], split, rng)
        yield Line(text, language, kind, voices, round(rng.uniform(SLOWEST, FASTEST), 3), split)


def _training_voices(language: str, rng: random.Random) -> dict[str, float]:
    native = training_voices(language)
    first = rng.choice(training_voices() if rng.random() < FOREIGN_SHARE or not native else native)
    if rng.random() >= MIXED_SHARE:
        return {first: 1.0}
    second = rng.choice([voice for voice in training_voices() if voice != first])
    share = round(rng.uniform(0.3, 0.7), 2)
    return {first: share, second: round(1 - share, 2)}


def _by_split(kinds: dict[str, list[str]]) -> dict[tuple[str, Split], list[str]]:
    found: dict[tuple[str, Split], list[str]] = {}
    for kind, all_texts in kinds.items():
        for text in all_texts:
            found.setdefault((kind, split_of(f"text/{text}")), []).append(text)
    return found


def _draw(library: dict[tuple[str, Split], list[str]], split: Split, rng: random.Random) -> tuple[str, str]:
    kinds = [kind for kind in KINDS if (kind, split) in library]
    kind = rng.choices(kinds, [KINDS[kind] for kind in kinds])[0]
    return kind, rng.choice(library[kind, split])
