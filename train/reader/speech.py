"""The same words by several synthetic voices: who speaks is left to chance, so that only what is said can be learned."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from codec.audio.io import read_audio, resample
from codec.data.store import SAMPLE_RATE, Entry
from codec.data.synthetic import VARIANTS
from codec.errors import CodecError

LANGUAGES = {"en-us": 0.36, "it": 0.17, "es": 0.15, "fr": 0.13, "pt": 0.09, "en-gb": 0.08, "hi": 0.02}
"""Shares of phrases."""
READ_AS = ("de", "ru", "pl", "nl", "sv", "cs", "da", "fi", "el", "hu", "nb", "uk", "ca", "ro", "tr", "lt")
"""Languages whose sounds a fifth of the phrases are read with, whatever they are written in."""
FOREIGN_SHARE, NUMBER_SHARE = 0.2, 0.12
WORDS = (1, 1, 1, 2, 2, 3, 3, 4, 5, 7)
"""In a phrase, drawn from these."""
LONGEST_TEXT, LONGEST_SECONDS = 60, 6.0
FLITE = ("awb", "rms", "kal16")
"""English voices. ``slt`` and espeak-ng's ``klatt4`` stay out: probing tasks test with them."""
ESPEAK = (*VARIANTS, "klatt", "klatt2", "croak")
FLITE_SHARE = 0.3
ESPEAK_NAMES = {"en": "en-us", "zh": "cmn"}
TESTED = ("digits/", "letters/", "phonetic/")
"""Prompts whose texts are not used: probing tasks test with them."""
LONGEST_RECORDING = 5.0
QUIET, MARGIN = 0.003, SAMPLE_RATE // 20
"""Below −50 dBFS a synthesiser is silent; 50 ms of that stay at both ends."""
GAIN_DB, NOISE_DBFS, NOISY_SHARE = (-18.0, 0.0), (-70.0, -35.0), 0.4
PATIENCE = 60
"""Seconds that a synthesiser may take for a phrase."""
NO_VOICE = b"voice does not exist"
"""What espeak-ng says of a language that it does not have."""
MISSING = "the reader's training needs espeak-ng and flite: apt-get install espeak-ng flite"


@dataclass(frozen=True)
class Phrase:
    """Something to be said.

    Attributes:
        text: as it is written.
        language: that it is read as, as espeak-ng calls it.
    """

    text: str
    language: str


@dataclass(frozen=True)
class Speaker:
    """A voice with settings of its own.

    Attributes:
        program: ``flite`` or ``espeak-ng``.
        name: as the program knows it; of espeak-ng a variant of any language.
        pitch: of espeak-ng's 0 to 99.
        speed: of espeak-ng's, in words per minute.
    """

    program: str
    name: str
    pitch: int = 50
    speed: int = 175

    def say(self, phrase: Phrase, file: Path) -> np.ndarray:
        """``(samples,)`` float32 at 16 kHz, cut to the speech; nothing where the program has no such language or says nothing.

        Args:
            phrase: what is said.
            file: to be written on the way.

        Raises:
            CodecError: the program is missing, or fails.
        """
        if self.program == "flite":
            command = ["flite", "-voice", self.name, "-t", phrase.text, "-o", str(file)]
        else:
            voice = ["-v", f"{phrase.language}+{self.name}", "-p", str(self.pitch), "-s", str(self.speed)]
            command = ["espeak-ng", *voice, "-w", str(file), "--", phrase.text]
        try:
            done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=PATIENCE)
        except FileNotFoundError as error:
            raise CodecError(MISSING) from error
        except subprocess.TimeoutExpired as error:
            raise CodecError(f"{self.program}: not done with {phrase.text!r} after {PATIENCE} s") from error
        if NO_VOICE in done.stderr:
            return np.zeros(0, np.float32)
        if done.returncode:
            raise CodecError(f"{self.program} failed at {phrase.text!r}: {done.stderr.decode(errors='replace').strip()[-200:]}")
        wave, rate = read_audio(file)
        mono = resample(wave.mean(0, keepdims=True), rate, SAMPLE_RATE)[0]
        loud = np.flatnonzero(np.abs(mono) > QUIET)
        return mono[max(0, loud[0] - MARGIN) : loud[-1] + MARGIN] if len(loud) else np.zeros(0, np.float32)


def needs() -> None:
    """Looks for the synthesisers.

    Raises:
        CodecError: one is missing.
    """
    if not all(map(shutil.which, ("espeak-ng", "flite"))):
        raise CodecError(MISSING)


def phrases(library: Mapping[str, Mapping[str, Sequence[str]]], seed: int) -> Iterator[Phrase]:
    """Phrases without an end, no two alike.

    Args:
        library: texts by language and kind, as `codec.data.speech.texts.load` gives them.
        seed: of what is drawn.
    """
    rng = random.Random(seed)
    seen: set[Phrase] = set()
    while True:
        language = rng.choices(list(LANGUAGES), list(LANGUAGES.values()))[0]
        written = library[language]
        words = re.sub(r"[^\w' ]", " ", rng.choice(written[rng.choice(sorted(written))])).split()
        count = rng.choice(WORDS)
        start = rng.randrange(max(1, len(words) - count + 1))
        text = " ".join(words[start : start + count])
        if rng.random() < NUMBER_SHARE:
            text = str(rng.randrange(10 ** rng.randrange(1, 5)))
        phrase = Phrase(text, rng.choice(READ_AS) if rng.random() < FOREIGN_SHARE else language)
        if text and len(text) <= LONGEST_TEXT and phrase not in seen:
            seen.add(phrase)
            yield phrase


def text_of(entry: Entry) -> Phrase | None:
    """What is said in a recording, if that is known, short, and not what probing tasks test with."""
    labels = entry.clip.labels or {}
    known = "text" in labels and "language" in labels and not labels.get("prompt", "").startswith(TESTED)
    if not known or entry.speed != 1 or entry.seconds > LONGEST_RECORDING:
        return None
    return Phrase(labels["text"], ESPEAK_NAMES.get(labels["language"], labels["language"]))


def say(
    phrase: Phrase, count: int, seed: int, encode: Callable[[np.ndarray], dict[int, np.ndarray]]
) -> list[dict[int, np.ndarray]]:
    """Tokens of a phrase by several voices, louder and softer, some with noise.

    Args:
        phrase: what is said.
        count: of voices.
        seed: of everything random.
        encode: ``(samples,)`` → codes by frames of 50 Hz per token.
    """
    rng = random.Random(f"{seed} {phrase.language} {phrase.text}")
    noise = np.random.default_rng(rng.getrandbits(32))
    found = []
    with tempfile.TemporaryDirectory(prefix="codec-reader-") as folder:
        for _ in range(count):
            wave = _speaker(phrase, rng).say(phrase, Path(folder) / "speech.wav")[: round(LONGEST_SECONDS * SAMPLE_RATE)]
            if not len(wave):
                continue
            wave = wave * np.float32(10 ** (rng.uniform(*GAIN_DB) / 20))
            if rng.random() < NOISY_SHARE:
                wave = wave + noise.standard_normal(len(wave), np.float32) * np.float32(10 ** (rng.uniform(*NOISE_DBFS) / 20))
            found.append(encode(wave))
    return found


def _speaker(phrase: Phrase, rng: random.Random) -> Speaker:
    if phrase.language.startswith("en") and rng.random() < FLITE_SHARE:
        return Speaker("flite", rng.choice(FLITE))
    return Speaker("espeak-ng", rng.choice(ESPEAK), rng.randrange(15, 90), rng.randrange(120, 220))


def texts_of(entries: Iterable[Entry]) -> list[Phrase]:
    """What is said in recordings, each once, in their order."""
    return list(dict.fromkeys(phrase for entry in entries if (phrase := text_of(entry))))
