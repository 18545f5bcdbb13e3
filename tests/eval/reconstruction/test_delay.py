import numpy as np
import pytest

from eval.reconstruction.delay import delay
from eval.reconstruction.interface import MetricError


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
