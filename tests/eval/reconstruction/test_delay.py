import numpy as np
import pytest

from eval.reconstruction.delay import delay, without_delay
from eval.reconstruction.interface import MetricError
from eval.reconstruction.registry import metrics, score


@pytest.mark.parametrize("milliseconds", [0, 3, 25, 250, -40])
def test_shifts_are_found(make_pair, speech, milliseconds) -> None:
    wave, shift = speech[0], milliseconds * 16
    late = np.pad(wave, (shift, 0))[: len(wave)] if shift >= 0 else np.pad(wave[-shift:], (0, -shift))
    assert delay(make_pair(-0.3 * late)) == pytest.approx(milliseconds, abs=0.3)


def test_vocoders_delay_is_found_though_their_waveforms_do_not_correlate(make_pair, codec2) -> None:
    # More than a frame of 20 or 40 ms cannot be late in a decoder that runs frame by frame.
    assert 5 < delay(make_pair(codec2("3200"))) < delay(make_pair(codec2("700C"))) < 60


def test_no_delay_of_noise_silence_and_almost_nothing(make_pair, speech) -> None:
    noise = np.random.default_rng(0).standard_normal(speech.shape[1])
    for output in (noise, 0 * noise):
        with pytest.raises(MetricError, match="do not correlate"):
            delay(make_pair(output))
    with pytest.raises(MetricError, match="too short"):
        delay(make_pair(reference=noise[:500]))


@pytest.mark.parametrize("milliseconds", [30, -40])
def test_a_late_copy_is_as_good_as_one_in_time(make_pair, speech, milliseconds) -> None:
    wave, shift = speech[0], milliseconds * 16
    late = np.pad(wave, (shift, 0))[: len(wave)] if shift >= 0 else np.pad(wave[-shift:], (0, -shift))
    pair = make_pair(late)
    scores = score(pair, metrics(["mel_distance", "stoi", "delay"]))
    assert scores.values["delay"] == pytest.approx(milliseconds, abs=0.3)
    assert scores.values["mel_distance"] < 0.01
    assert scores.values["stoi"] > 0.99
    aligned = without_delay(pair)
    assert len(aligned.reference) == len(aligned.output) == len(wave) - abs(shift)


def test_what_is_in_time_or_unclear_stays_as_it_is(make_pair, speech) -> None:
    noise = np.random.default_rng(0).standard_normal(speech.shape[1])
    for output in (speech[0], noise, np.roll(speech[0], 8)):
        pair = make_pair(output)
        assert without_delay(pair) is pair
