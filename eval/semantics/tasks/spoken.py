"""What is said, whoever says it: tasks whose test voices are never heard in training."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import cycle, product

import numpy as np

from codec.data.store import Entry
from eval.semantics.tasks.corpus_clips import Clips, label_of, shares
from eval.semantics.tasks.item import Item, without_repeats, without_unlearnable
from eval.semantics.tasks.programs import Voice, say_all

VOICES = {
    "train": [*(Voice("flite", name) for name in ("awb", "kal16")), *(Voice("espeak-ng", f"m{i}") for i in range(1, 6))]
    + [Voice("espeak-ng", name) for name in ("f1", "f2", "f3")],
    "valid": [Voice("flite", "rms"), Voice("espeak-ng", "f4")],
    "test": [Voice("flite", "slt"), Voice("espeak-ng", "klatt4")],
}
"""Synthetic speakers, none of whom is in two splits."""
LETTERS = tuple("abcdefghijklmnopqrstuvwxyz")
SPELLED_IN = ("de", "en-gb", "en-us", "es", "fr-be", "it", "nb", "nl", "pt-br")
COUNTED_IN = ("en-us", "es", "fr-be", "it", "ru")
NUMBER_LANGUAGES = (
    *("id", "cs", "da", "de", "el", "en-us", "es", "fi", "fr-be", "tr"),
    *("hu", "it", "lt", "nl", "pl", "pt-br", "ro", "ru", "sv", "uk"),
)
"""Without Arabic: espeak-ng 1.51 reads some Arabic numbers otherwise every time."""

PROMPT_LANGUAGES = {"en": "en-us", "es": "es", "fr": "fr-be", "it": "it", "ru": "ru"}
"""Of the telephone prompts, and what espeak-ng calls them."""


def word(clips: Clips, seed: int) -> list[Item]:
    """English words: numbers, dates, the spelling alphabet. Synthetic voices train; others, and a person, test."""
    spoken: dict[str, Entry] = {}
    for entry in clips.of("asterisk-core-sounds-en"):
        text = label_of(entry, "text").lower().strip(" .!")
        if label_of(entry, "prompt").startswith(("digits/", "phonetic/")) and re.fullmatch(r"[a-z]{2,}", text):
            spoken.setdefault(text, entry)
    items = [clips.item(entry, text, "Allison", "test") for text, entry in spoken.items()]
    for split, voices in VOICES.items():
        items += _spoken([(voice, text, "en", text) for voice, text in product(voices, spoken)], split)
    return items


def letter_or_digit(clips: Clips, seed: int) -> list[Item]:
    """Names of letters and digits in many languages. Synthetic voices and volunteers train, six professionals test."""
    spelled = [*product(SPELLED_IN, LETTERS), *product(COUNTED_IN, map(str, range(10)))]
    said = [(voice, text, language, text) for voice in _espeak("train") for language, text in spelled]
    chosen = np.random.default_rng(seed).permutation(len(said))[:800]
    items = _spoken([said[i] for i in sorted(chosen)], "train")
    for entry in clips.of("klettres"):
        if (letter := _letter(label_of(entry, "prompt"))) and label_of(entry, "kind") == "alpha":
            split = "valid" if label_of(entry, "language") in ("en_GB", "pt_BR") else "train"
            items.append(clips.item(entry, letter, label_of(entry, "speaker"), split))
    for entry in clips.of("asterisk"):
        folder, _, name = label_of(entry, "prompt").rpartition("/")
        if (folder == "letters" and name in LETTERS) or (folder == "digits" and re.fullmatch("[0-9]", name)):
            items.append(clips.item(entry, name, label_of(entry, "speaker"), "test"))
    return without_repeats(items)


def language(clips: Clips, seed: int) -> list[Item]:
    """Which of twenty languages a number is read in, by one synthesiser: nothing but the language tells them apart."""
    languages = {name: name for name in NUMBER_LANGUAGES}
    return _counted(languages, {"train": 20, "valid": 4, "test": 10}, np.random.default_rng(seed))


def prompt_language(clips: Clips, seed: int) -> list[Item]:
    """The language, of five, that a professional speaks; volunteers' letters and words, and synthetic numbers, train."""
    random = np.random.default_rng(seed)
    items = _counted(PROMPT_LANGUAGES, {"train": 30, "valid": 4}, random)
    for origin, split, at_most in (("klettres", "train", 40), ("ktuberling", "train", 40), ("asterisk", "test", 30)):
        for name in PROMPT_LANGUAGES:
            entries = [e for e in clips.of(origin) if label_of(e, "language").partition("_")[0] == name]
            chosen = sorted(random.permutation(len(entries))[:at_most])
            items += [clips.item(entries[i], name, label_of(entries[i], "speaker"), split) for i in chosen]
    return without_unlearnable(without_repeats(items))


def prompt(clips: Clips, seed: int) -> list[Item]:
    """Which Italian prompt is said: a man shows each once, a woman asks. She tests with what the codec never heard."""
    shown = {label_of(entry, "prompt"): entry for entry in clips.of("asterisk-core-sounds-it")}
    asked = [entry for entry in clips.of("asterisk-prompt-it") if label_of(entry, "prompt") in shown]
    test = [entry for entry in asked if entry.split != "train"]
    heard = [entry for entry in asked if entry.split == "train"]
    valid = [heard[i] for i in sorted(np.random.default_rng(seed).permutation(len(heard))[: len(test)])]
    items = []
    for split, entries in (("test", test), ("valid", valid)):
        for entry in entries:
            text = label_of(entry, "prompt")
            items.append(clips.item(shown[text], text, shown[text].clip.source, "train"))
            items.append(clips.item(entry, text, entry.clip.source, split))
    return items


def taunt(clips: Clips, seed: int) -> list[Item]:
    """Which of the same few dozen taunts a game's voice shouts, by voices never heard."""
    entries = [entry for entry in clips.of("hedgewars") if entry.clip.domain == "speech"]
    english = [entry for entry in entries if not re.search(r"_(es|pl|ru|uk)$", label_of(entry, "speaker"))]
    split = shares((label_of(entry, "speaker") for entry in english), seed, valid=1, test=3)
    items = [
        clips.item(entry, label_of(entry, "prompt"), label_of(entry, "speaker"), split(label_of(entry, "speaker")))
        for entry in english
    ]
    return without_unlearnable(without_repeats(items), at_least=4)


def object_word(clips: Clips, seed: int) -> list[Item]:
    """Which object is named, in languages never heard: only what related languages share can tell."""
    entries = clips.of("ktuberling")
    split = shares((label_of(entry, "language") for entry in entries), seed, valid=3, test=6)
    items = [
        clips.item(entry, label_of(entry, "prompt"), label_of(entry, "language"), split(label_of(entry, "language")))
        for entry in entries
    ]
    return without_unlearnable(without_repeats(items), at_least=3)


def _counted(languages: Mapping[str, str], counts: Mapping[str, int], random: np.random.Generator) -> list[Item]:
    """Numbers that espeak-ng reads, as many for each language; label → espeak-ng's name of it."""
    numbers = iter(random.permutation(9_000) + 1_000)
    items = []
    for split, count in counts.items():
        voices = cycle(_espeak(split))
        jobs = [
            (next(voices), str(next(numbers)), name, label) for (label, name), _ in product(languages.items(), range(count))
        ]
        items += _spoken(jobs, split)
    return items


def _espeak(split: str) -> list[Voice]:
    return [voice for voice in VOICES[split] if voice.program == "espeak-ng"]


def _spoken(jobs: Sequence[tuple[Voice, str, str, str]], split: str) -> list[Item]:
    """Items of voice, text, language and label; the voice is the group."""
    waves = say_all([job[:3] for job in jobs])
    return [Item(wave, label, voice.name, split) for wave, (voice, _, _, label) in zip(waves, jobs, strict=True)]


def _letter(prompt: str) -> str:
    """The letter that a file is named after: ``b``, ``B`` or ``U0062``; empty if it is none of a … z."""
    name = chr(int(prompt[1:], 16)) if re.fullmatch("U[0-9A-F]{4}", prompt) else prompt.lower()
    return name if name in LETTERS else ""
