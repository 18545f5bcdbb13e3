import numpy as np

from eval.reconstruction.registry import metrics, score
from eval.reconstruction.trained import mark_of


def test_a_second_listener_counts_beside_the_first(make_pair, speech) -> None:
    noise = 0.3 * np.random.default_rng(0).standard_normal(speech.shape[1])
    asked = metrics(["wer", "dwer", "wer_moonshine", "dwer_moonshine"])
    heard = score(make_pair(speech[0] + noise), asked).values
    assert heard["wer_moonshine"] == 100 * heard["wer_moonshine_errors"] / heard["wer_moonshine_words"] > 0
    assert heard["dwer_moonshine_words"] > 0
    assert heard["words"] == heard["wer_moonshine_words"] == 18


def test_it_taught_no_codec() -> None:
    assert mark_of("semcodec@50", "wer", "faster-whisper:base")
    assert not mark_of("semcodec@50", "wer_moonshine", "faster-whisper:base")
