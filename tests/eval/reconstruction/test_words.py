import numpy as np
import pytest

from eval.reconstruction.interface import MetricError, Pair
from eval.reconstruction.words import TextErrors, _compare, _listen, by_recogniser, metrics, spoken_language, text_errors


@pytest.fixture(scope="module")
def rates():
    return metrics()


def test_edits_by_hand() -> None:
    assert text_errors("the cat sat", "a cat sat down") == TextErrors(2, 3, 8, 11)  # the→a, +down; the→a is 3 characters
    assert text_errors("left, right", "") == TextErrors(2, 2, 10, 10)
    assert text_errors("It's twenty-one, Mr. Grey!", "it is 21 mister gray").word_errors == 0
    assert text_errors("Perché no?", "perche no", "it").words == 2


@pytest.mark.parametrize(
    ("told", "spoken"), [("en", "en"), ("en-us", "en"), ("en_GB", "en"), ("pt-BR", "pt"), ("it", "it"), (None, "en")]
)
def test_a_region_is_no_language(told: str | None, spoken: str, speech) -> None:
    asked: list[str] = []

    def recognise(wave: np.ndarray, language: str) -> str:
        asked.append(language)
        return "yes"

    pair = Pair(speech[0], speech[0], 16_000, "speech", "yes", told)
    assert spoken_language(pair) == spoken
    assert (_listen(pair, recognise).word_errors, _compare(pair, recognise).word_errors) == (0, 0)
    assert set(asked) == {spoken}


@pytest.mark.parametrize("text", ["", "…", "?!"])
def test_a_transcript_without_words(text) -> None:
    with pytest.raises(MetricError, match="no words"):
        text_errors(text, "something")


def test_the_recording_is_understood_word_by_word(rates, make_pair, speech) -> None:
    wer, cer, _ = rates
    assert wer.ratio == ("word_errors", "words")
    first = wer.function(make_pair())
    assert first == {"wer": 0, "word_errors": 0, "words": 18}
    noise = 0.02 * np.random.default_rng(0).standard_normal(speech.shape[1])
    noisy = make_pair(speech[0] + noise)
    heard = wer.function(noisy)
    assert heard["wer"] == pytest.approx(100 * heard["word_errors"] / 18)
    assert heard["word_errors"] > 0
    assert cer.function(noisy)["chars"] == 81
    wer.function(make_pair())
    assert wer.function(make_pair(speech[0] + noise)) == heard, "a clip's words depend on the clips before it"


def test_words_of_the_output_against_those_of_the_reference(rates, speech) -> None:
    dwer = rates[2]
    noisy = speech[0] + 0.02 * np.random.default_rng(0).standard_normal(speech.shape[1]).astype(np.float32)
    same = dwer.function(Pair(noisy, noisy, 16_000, "speech", None, "en"))
    assert same["dwer"] == 0, "errors that the recogniser makes in the original are not the codec's"
    assert same["dwer_words"] > 5
    worse = dwer.function(Pair(speech[0], noisy, 16_000, "speech", None, "en"))
    assert worse["dwer"] == pytest.approx(100 * worse["dwer_errors"] / worse["dwer_words"])
    assert worse["dwer_errors"] > 0
    assert dwer.ratio == ("dwer_errors", "dwer_words")


def test_columns_say_what_is_counted() -> None:
    names = [metric.ratio for metric in by_recogniser("pocketsphinx", ("wer_x", "cer_x", "dwer_x"))]
    assert names == [("wer_x_errors", "wer_x_words"), ("cer_x_errors", "cer_x_characters"), ("dwer_x_errors", "dwer_x_words")]


def test_no_transcript_and_a_foreign_one(rates, speech) -> None:
    for text, language, reason in ((None, None, "no transcript"), ("ciao", "it", "English only")):
        with pytest.raises(MetricError, match=reason):
            rates[0].function(Pair(speech[0], speech[0], 16_000, "speech", text, language))
