"""Texts to be spoken, in nine languages and of six kinds, from Debian packages and from Faker's word lists.

Quotations are Debian's ``fortunes``; examples are the quoted sentences of WordNet; dialogue is what people say in two free
role-playing games (their translations are message catalogues); names, numbers and single words are drawn by Faker.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from codec.data.debian import fetch_package
from codec.errors import CodecError

PACKAGES = (
    *("fortunes", "fortunes-es", "fortunes-it", "fortunes-br", "fortunes-zh"),
    *("wordnet-base", "freedroidrpg-data", "flare-game"),
)
QUOTATIONS = {"en-us": "fortunes", "es": "fortunes-es", "it": "fortunes-it", "pt": "fortunes-br", "zh": "fortunes-zh"}
CATALOGUES = {"en-us": "", "es": "es", "fr": "fr", "it": "it", "pt": "pt_BR", "ja": "ja", "zh": "zh"}
"""Languages of the games; English is what their messages are written in."""
LOCALES = {
    **{"en-us": "en_US", "en-gb": "en_GB", "es": "es_ES", "fr": "fr_FR", "it": "it_IT", "pt": "pt_BR", "hi": "hi_IN"},
    **{"ja": "ja_JP", "zh": "zh_CN"},
}
"""Of Faker, for names and numbers."""
WORDS = LOCALES | {"en-gb": "en_US", "hi": ""}
"""Of Faker, for words; it has none in Hindi, and Latin ones instead of British ones."""
LATIN, IDEOGRAMS = (12, 130), (4, 45)
"""Shortest and longest text, in characters."""
DRAWN = 2500
"""Names, numbers and words that are drawn for each language."""

_MARKUP = re.compile(r"\x1b\[[0-9;]*m|\x08|%[0-9]*\$?[a-z]|\$\{?\w+\}?|\\n|<[^>]*>|\[/?[a-z]+\]")
_STOP = re.compile(r"(?<=[.!?…])[\"')\]]*\s+|(?<=[。！？])")
_UNSPEAKABLE = re.compile(r"[\\|{}<>=_~^#@*/%\[\]]|https?:|www\.|\d{5}|[A-Z]{5}|\.{4}|--")


def load(packages: Path, language: str) -> dict[str, list[str]]:
    """All texts of a language by kind, each list in an order that follows from its texts alone.

    Args:
        packages: folder of Debian packages; what is missing is fetched.
        language: a key of `codec.data.speech.voices.VOICES`.

    Returns:
        Lists for ``quotation``, ``example``, ``dialogue``, ``question``, ``name``, ``number`` and ``word``; kinds that a
        language lacks are left out.

    Raises:
        CodecError: a package or Faker is missing.
    """
    for package in PACKAGES:
        fetch_package(packages, package)
    written = "en-us" if language == "en-gb" else language
    spoken = list(_dialogue(packages, written))
    kinds: dict[str, Iterable[str]] = {
        "quotation": _quotations(packages, written),
        "example": _examples(packages) if written == "en-us" else (),
        "dialogue": (text for text in spoken if not _asks(text)),
        "question": filter(_asks, spoken),
        **_drawn(language),
    }
    shares = {kind: _ordered(texts) for kind, texts in kinds.items()}
    return {kind: texts for kind, texts in shares.items() if texts}


def _asks(text: str) -> bool:
    return text.rstrip("\"'").endswith(("?", "？"))


def _ordered(texts: Iterable[str]) -> list[str]:
    return sorted(set(texts), key=lambda text: hashlib.sha256(text.encode()).digest())


def _plain(text: str) -> Iterator[str]:
    """Sentences of a text that a person would read aloud without asking how."""
    whole = re.sub(r"\s+", " ", _MARKUP.sub(" ", text)).strip()
    for sentence in _STOP.split(whole):
        sentence = sentence.strip(" \"'“”«»-—")
        shortest, longest = IDEOGRAMS if re.search(r"[\u3040-\u9fff]", sentence) else LATIN
        if shortest <= len(sentence) <= longest and not _UNSPEAKABLE.search(sentence):
            yield sentence


def _quotations(packages: Path, language: str) -> Iterator[str]:
    if language not in QUOTATIONS:
        return
    root = packages / QUOTATIONS[language]
    for path in sorted(root.rglob("games/fortunes/**/*")):
        if path.is_file() and path.suffix in ("", ".fortunes"):
            for fortune in path.read_text("utf-8", "ignore").split("\n%\n"):
                yield from _plain(fortune.split("\n\t\t--")[0])


def _examples(packages: Path) -> Iterator[str]:
    for path in sorted((packages / "wordnet-base").rglob("data.*")):
        for quoted in re.findall(r"\"([^\"]+)\"", path.read_text("utf-8", "ignore")):
            yield from _plain(quoted)


def _dialogue(packages: Path, language: str) -> Iterator[str]:
    if language not in CATALOGUES:
        return
    try:
        import polib
    except ImportError as error:
        raise CodecError("texts of games need polib: pip install 'semcodec[speech]'") from error
    wanted = CATALOGUES[language]
    compiled = sorted((packages / "freedroidrpg-data").rglob(f"{wanted or 'es'}/LC_MESSAGES/freedroidrpg-dialogs.mo"))
    sources = sorted((packages / "flare-game").rglob(f"data.{wanted or 'es'}.po"))
    for catalogue in (*(polib.mofile(str(path)) for path in compiled), *(polib.pofile(str(path)) for path in sources)):
        for entry in catalogue:
            yield from _plain(entry.msgstr if wanted else entry.msgid)


def _drawn(language: str) -> dict[str, list[str]]:
    """Names, numbers and words by Faker, the same ones every time for a version of it."""
    try:
        from faker import Faker
    except ImportError as error:
        raise CodecError("names and numbers need Faker: pip install 'semcodec[speech]'") from error
    fake, rng = Faker(LOCALES[language]), random.Random(language)
    fake.seed_instance(language)
    names: tuple[Callable[[], str], ...] = (
        lambda: f"{fake.name()}, {fake.city()}.",
        lambda: f"{fake.first_name()}, {fake.first_name()}, {fake.first_name()}.",
        lambda: f"{fake.name()}, {fake.job()}.",
        lambda: f"{fake.company()}.",
    )
    numbers: tuple[Callable[[], str], ...] = (
        lambda: f"{rng.randrange(10 ** rng.randrange(1, 5))}, {rng.randrange(100)}, {rng.randrange(1000)}.",
        lambda: " ".join(str(rng.randrange(10)) for _ in range(rng.randrange(3, 9))) + ".",
        lambda: f"{rng.randrange(24)}:{rng.randrange(10, 60)}.",
        lambda: f"{fake.day_of_month().lstrip('0')} {fake.month_name()} {rng.randrange(1900, 2040)}.",
        lambda: f"{rng.randrange(1000)}.{rng.randrange(100)}.",
    )
    drawn = {"name": [rng.choice(names)() for _ in range(DRAWN)], "number": [rng.choice(numbers)() for _ in range(DRAWN)]}
    if WORDS[language]:
        lexicon = Faker(WORDS[language])
        lexicon.seed_instance(language)
        drawn["word"] = [" ".join(lexicon.words(rng.choice((1, 1, 2, 5, 8)))) + "." for _ in range(DRAWN)]
    return drawn
