import numpy as np
import pytest
import scipy.stats

from codec.errors import CodecError
from eval.reconstruction.interface import Metric, Scores
from eval.reconstruction.statistics import bootstrap_mean, bootstrap_ratio, difference, summarise

VALUES = np.random.default_rng(1).gamma(2, size=60)
QUALITY = Metric("quality", "MOS", True, ("speech",), lambda pair: 0.0)
WER = Metric("wer", "%", False, ("speech",), lambda pair: 0.0, ratio=("word_errors", "words"))


def test_mean_agrees_with_scipy() -> None:
    ours = bootstrap_mean(VALUES)
    theirs = scipy.stats.bootstrap((VALUES,), np.mean, method="percentile", n_resamples=10_000, rng=0).confidence_interval
    assert ours.value == pytest.approx(VALUES.mean())
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.03 * (theirs.high - theirs.low))


def test_ratio_agrees_with_scipy() -> None:
    words = np.random.default_rng(2).integers(3, 30, 60)
    errors = np.random.default_rng(3).binomial(words, 0.2)
    ours = bootstrap_ratio(errors, words)
    theirs = scipy.stats.bootstrap(
        (errors, words),
        lambda e, w, axis: e.sum(axis) / w.sum(axis),
        paired=True,
        method="percentile",
        n_resamples=10_000,
        rng=0,
    ).confidence_interval
    assert ours.value == errors.sum() / words.sum()
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.03 * (theirs.high - theirs.low))


def test_same_seed_same_interval_and_one_clip_has_none() -> None:
    assert bootstrap_mean(VALUES) == bootstrap_mean(VALUES)
    one = bootstrap_mean([3.0])
    assert (one.value, one.low, one.high, one.clips) == (3.0, None, None, 1)
    for values in ([], np.zeros(0)):
        with pytest.raises(CodecError, match="no values"):
            bootstrap_mean(values)


def test_coverage_is_near_95_per_cent() -> None:
    draws = np.random.default_rng(0).standard_normal((300, 40))
    intervals = [bootstrap_mean(draw, resamples=1000) for draw in draws]
    assert 0.89 < np.mean([interval.low <= 0 <= interval.high for interval in intervals]) < 0.98


def test_word_errors_of_a_corpus_are_errors_over_words_and_failures_are_left_out() -> None:
    scores = {
        "short": Scores({"wer": 100.0, "word_errors": 1.0, "words": 1.0}),
        "long": Scores({"wer": 0.0, "word_errors": 0.0, "words": 9.0}),
        "broken": Scores({}, {"wer": "no transcript"}),
    }
    figure = summarise(WER, scores)
    assert (figure.value, figure.clips) == (10.0, 2)
    assert summarise(QUALITY, scores) is None


def test_paired_differences_see_what_separate_intervals_hide() -> None:
    ours = {f"{i}": Scores({"quality": value + 0.05}) for i, value in enumerate(VALUES)}
    theirs = {f"{i}": Scores({"quality": value}) for i, value in enumerate(VALUES[:50])}
    apart = difference(QUALITY, ours, theirs)
    assert apart.clips == 50
    assert (apart.value, apart.low, apart.high) == pytest.approx((0.05,) * 3)
    assert summarise(QUALITY, ours).low < summarise(QUALITY, theirs).high
    assert difference(QUALITY, ours, {}) is None


def test_difference_of_rates() -> None:
    ours = {c: Scores({"wer": 0.0, "word_errors": e, "words": w}) for c, e, w in (("a", 1.0, 10.0), ("b", 0.0, 10.0))}
    theirs = {c: Scores({"wer": 0.0, "word_errors": e, "words": w}) for c, e, w in (("a", 3.0, 10.0), ("b", 2.0, 10.0))}
    assert difference(WER, ours, theirs).value == pytest.approx(5 - 25)
