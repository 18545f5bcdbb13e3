"""Are the words still understood? Word and character error rates of a speech recogniser on the output."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np

from codec.errors import CodecError
from eval.reconstruction.interface import Metric, MetricError, OfWave, Once, Pair
from eval.reconstruction.recognisers import SAMPLE_RATE, Recogniser, recogniser

COUNTED = {"words": "words", "chars": "characters"}
"""What a rate is of, in the names of its columns."""


@dataclass(frozen=True)
class TextErrors:
    """The text errors of one clip, after normalisation.

    Attributes:
        word_errors: substituted, deleted and inserted words.
        words: in the transcript.
        char_errors: the same for characters, spaces included.
        chars: in the transcript.
    """

    word_errors: int
    words: int
    char_errors: int
    chars: int


def text_errors(transcript: str, heard: str, language: str = "en") -> TextErrors:
    """Edits from transcript to what was heard, both normalised first.

    Raises:
        MetricError: no words in the transcript.

    Example:
        >>> text_errors("Mr. Brown didn't pay $20.", "mister brown did not pay thirty dollars")
        TextErrors(word_errors=1, words=6, char_errors=1, chars=28)
    """
    import jiwer

    normalise = normaliser(language)
    wanted, got = normalise(transcript).strip(), normalise(heard).strip()
    if not any(character.isalnum() for character in wanted):
        raise MetricError(f"no words in the transcript {transcript!r}")
    words, chars = jiwer.process_words(wanted, got), jiwer.process_characters(wanted, got)
    return TextErrors(_edits(words), len(wanted.split()), _edits(chars), len(wanted))


def _edits(result: Any) -> int:
    return int(result.substitutions + result.deletions + result.insertions)


def spoken_language(pair: Pair) -> str:
    """The language of a pair's transcript, without the region that recognisers do not know; English if nothing tells.

    Example:
        >>> import numpy as np
        >>> spoken_language(Pair(np.zeros(1), np.zeros(1), 16_000, "speech", "colour", "en-gb"))
        'en'
    """
    return (pair.language or "en").replace("_", "-").partition("-")[0].lower()


@cache
def normaliser(language: str) -> Callable[[str], str]:
    """Whisper's (Radford et al., arXiv 2212.04356, appendix C): no case, no punctuation; numbers and spellings of English.

    Raises:
        CodecError: whisper-normalizer is not installed.
    """
    try:
        from whisper_normalizer.basic import BasicTextNormalizer
        from whisper_normalizer.english import EnglishTextNormalizer
    except ImportError as error:
        raise CodecError(f"word error rates need {error.name}: pip install 'semcodec[eval]'") from error
    return EnglishTextNormalizer() if language == "en" else BasicTextNormalizer()


def _listen(pair: Pair, recognise: Recogniser) -> TextErrors:
    if not pair.text:
        raise MetricError("no transcript")
    language = spoken_language(pair)
    return text_errors(pair.text, recognise(pair.at(SAMPLE_RATE).output, language), language)


def remembered(recognise: Recogniser) -> Recogniser:
    """A recogniser that is not asked twice what it hears in the same wave: several figures come of it, and many codecs are
    compared with the same references.
    """
    by_language: dict[str, OfWave[str]] = {}

    def recall(wave: np.ndarray, language: str) -> str:
        return by_language.setdefault(language, OfWave(lambda each: recognise(each, language)))(wave)

    return recall


def _compare(pair: Pair, recognise: Recogniser) -> TextErrors:
    """Words heard in the output against those heard in the reference: needs no transcript, and errors that the recogniser
    makes in the original do not count, so that it tells a codec's loss in any room.
    """
    pair, language = pair.at(SAMPLE_RATE), spoken_language(pair)
    return text_errors(recognise(pair.reference, language), recognise(pair.output, language), language)


def metrics(asr: str = "pocketsphinx") -> list[Metric]:
    """``wer`` and ``cer`` against the transcript, ``dwer`` against what is heard in the reference, in %, by a recogniser."""
    try:
        import jiwer as _jiwer  # noqa: F401 - a missing package shows now, not at the first clip
    except ImportError as error:
        raise CodecError(f"word error rates need {error.name}: pip install 'semcodec[eval]'") from error
    normaliser("en")
    return by_recogniser(asr, ("wer", "cer", "dwer"))


def by_recogniser(asr: str, names: tuple[str, str, str]) -> list[Metric]:
    """Metrics of what one recogniser hears.

    Args:
        asr: its name.
        names: of the share of wrong words, of wrong characters, and of words against those that it hears in the reference.
    """
    recognise = remembered(recogniser(asr))
    spoken, heard = Once(partial(_listen, recognise=recognise)), Once(partial(_compare, recognise=recognise))
    listener = asr.rstrip("/").rpartition("/")[2]  # of a folder its name alone, which means something elsewhere, too
    cite = f"words heard by {listener}, Whisper's text normalisation (arXiv 2212.04356)"
    return [
        _rate(names[0], spoken, "word_errors", "words", cite),
        _rate(names[1], spoken, "char_errors", "chars", cite),
        _rate(names[2], heard, "word_errors", "words", f"{cite}, against those heard in the reference"),
    ]


def _rate(name: str, errors: Callable[[Pair], TextErrors], count: str, total: str, cite: str) -> Metric:
    """A share of words or characters in %, its count and total beside it under names that start with the rate's unless it is
    ``wer`` or ``cer``.
    """
    columns = (count, total) if name in ("wer", "cer") else (f"{name}_errors", f"{name}_{COUNTED[total]}")

    def function(pair: Pair) -> Mapping[str, float]:
        found = errors(pair)
        wrong, out_of = getattr(found, count), getattr(found, total)
        return {name: 100 * wrong / out_of, columns[0]: wrong, columns[1]: out_of}

    return Metric(name, "%", False, ("speech",), function, cite, ratio=columns)
