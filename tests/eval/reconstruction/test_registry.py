"""All metrics together: best for identity, ordered by bitrate, and honest about what they cannot tell."""

import sys

import numpy as np
import pytest

from codec.errors import CodecError
from eval.reconstruction.interface import Metric, MetricError, Pair
from eval.reconstruction.registry import ASKED_FOR, DEFAULT, ELSEWHERE, FAMILIES, NAMES, metrics, score

HERE = tuple(name for name in NAMES if name not in ELSEWHERE)

BEST = {
    **dict.fromkeys(("mel_distance", "stft_distance", "f0_cents", "f0_hz", "voicing_error", "wer", "cer", "delay"), 0.0),
    **dict.fromkeys(("wer_moonshine", "cer_moonshine", "dwer_moonshine"), 0.0),
    **dict.fromkeys(("dwer", "fine_cents", "gross_pitch_error", "added_lines"), 0.0),
    **dict.fromkeys(("stoi", "estoi", "speaker_similarity"), 1.0),
    **{"visqol": 5.0, "pesq_wb": 4.644, "pesq_nb": 4.549, "si_sdr": 100.0},
}
UNORDERED = {
    *("si_sdr", "delay", "wer", "cer", "dwer", "wer_moonshine", "cer_moonshine", "dwer_moonshine"),
    *("fine_cents", "gross_pitch_error", "harmonicity_high", "added_lines"),
}
"""A vocoder's waveform has nothing to do with its input's, its delay with its quality; one clip has too few words and octaves;
and a vocoder that makes pulses is more harmonic than people are."""


@pytest.fixture(scope="module")
def everything():
    return [metric for metric in metrics(HERE) if "speech" in metric.domains]


def test_identity_is_best_and_more_bits_are_better(everything, make_pair, codec2) -> None:
    clean, more, less = (score(make_pair(output), everything) for output in (None, codec2("3200"), codec2("700C")))
    assert not clean.failed
    assert not more.failed
    assert not less.failed
    assert {name: clean.values[name] for name in BEST} == pytest.approx(BEST, abs=1e-3)
    for metric in everything:
        if metric.name not in UNORDERED:
            values = [scores.values[metric.name] for scores in (clean, more, less)]
            assert values == sorted(values, reverse=metric.higher_is_better), metric.name
            assert values[0] != values[1], metric.name
    assert clean.values["wer"] == 0 < min(more.values["wer"], less.values["wer"])


def test_what_fails_on_silence_is_named_and_the_rest_has_numbers(everything, make_pair, speech) -> None:
    scores = score(make_pair(0 * speech[0]), everything)
    assert scores.values.keys() & scores.failed.keys() == set()
    assert {m.name for m in everything} == {name for name in HERE if name in scores.values or name in scores.failed}
    assert {"mel_distance", "stoi", "voicing_error", "wer"} <= scores.values.keys()
    assert {"visqol", "pesq_wb", "si_sdr", "f0_cents", "dnsmos", "distillmos"} <= scores.failed.keys()
    assert np.isfinite(list(scores.values.values())).all()
    assert all(reason and "\n" not in reason for reason in scores.failed.values())


@pytest.mark.parametrize("samples", [0, 1, 160, 1500])
def test_less_than_a_tenth_of_a_second(everything, make_pair, speech, samples) -> None:
    scores = score(make_pair(reference=speech[0, 20_000 : 20_000 + samples]), everything)
    assert np.isfinite(list(scores.values.values())).all()
    assert {"visqol", "pesq_wb", "pesq_nb", "stoi", "dnsmos", "distillmos"} <= scores.failed.keys()


def test_clipped_signals_have_numbers(everything, make_pair, speech) -> None:
    slow = {*FAMILIES["words"], *FAMILIES["pitch"]}
    quick = [metric for metric in everything if metric.name not in slow]
    scores = score(make_pair(np.clip(20 * speech[0], -1, 1)), quick)
    assert not scores.failed
    assert scores.values["pesq_wb"] < 4


def test_nan_is_no_number_anywhere(make_pair, speech) -> None:
    output = speech[0].copy()
    output[5] = np.nan
    chosen = metrics(["mel_distance", "si_sdr", "stoi"])
    scores = score(make_pair(output), chosen)
    assert not scores.values
    assert set(scores.failed.values()) == {"the output has NaN or infinite samples"}
    assert set(score(make_pair(speech[0], output), chosen).failed) == {"mel_distance", "si_sdr", "stoi"}


def test_whatever_a_metric_raises_or_returns_is_a_reason(make_pair) -> None:
    def angry(pair: Pair) -> float:
        raise KeyError("odd")

    bad = {"raises": angry, "nan": lambda pair: float("nan"), "counts": lambda pair: {"counts": 1.0, "n": float("inf")}}
    scores = score(make_pair(), [Metric(name, "", True, ("speech",), function) for name, function in bad.items()])
    assert not scores.values
    assert scores.failed.keys() == bad.keys()
    assert "KeyError" in scores.failed["raises"]


def test_domains_and_lengths(make_pair, speech) -> None:
    scores = score(make_pair(domain="music"), metrics(["mel_distance", "stoi"]))
    assert (scores.values, scores.failed) == ({"mel_distance": 0.0}, {})
    with pytest.raises(MetricError, match="not comparable"):
        make_pair(speech[0, :-1])


def test_names() -> None:
    with pytest.raises(CodecError, match="no metric nonsense; known are mel_distance"):
        metrics(["mel_distance", "nonsense"])
    assert set(NAMES) - set(DEFAULT) == set(ASKED_FOR)
    assert "speaker_similarity" in ASKED_FOR
    described = metrics(["delay", "si_sdr", "mel_distance"])
    assert [(m.name, m.unit, m.higher_is_better) for m in described] == [
        ("delay", "ms", False), ("si_sdr", "dB", True), ("mel_distance", "", False),
    ]  # fmt: skip


def test_what_a_metric_cites_is_one_line(everything) -> None:
    assert all(metric.cite and "\n" not in metric.cite for metric in everything)


@pytest.mark.parametrize(
    ("package", "metric"),
    [
        ("visqol", "visqol"), ("pesq", "pesq_wb"), ("pystoi", "stoi"), ("librosa", "f0_hz"), ("speechmos", "dnsmos"),
        ("distillmos", "distillmos"), ("jiwer", "wer"), ("pocketsphinx", "cer"), ("resemblyzer", "speaker_similarity"),
    ],
)  # fmt: skip
def test_a_missing_package_is_one_line(monkeypatch, package, metric) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(CodecError, match=rf"needs? {package}: pip install 'semcodec\[eval\]'") as caught:
        metrics([metric])
    assert "\n" not in str(caught.value)
