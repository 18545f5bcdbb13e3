import numpy as np
import pytest
from scipy.signal import butter, sosfilt

from eval.reconstruction.harmonicity import BANDS, harmonicity
from eval.reconstruction.pitch import metrics, pitch_errors


def voice(factor: float = 1.0, voiced: np.ndarray | None = None) -> np.ndarray:
    """2 s of gliding harmonics around 150 Hz, noise where not voiced."""
    time = np.arange(32_000) / 16_000
    phase = 2 * np.pi * np.cumsum(factor * 150 * 2 ** (0.3 * np.sin(2 * np.pi * 0.5 * time))) / 16_000
    tone = 0.1 * sum(np.sin(k * phase) / k for k in range(1, 15))
    noise = 0.02 * np.random.default_rng(0).standard_normal(32_000)
    return tone + 0.01 * noise if voiced is None else np.where(voiced, tone, noise)


def test_a_semitone_is_100_cents(make_pair) -> None:
    errors = pitch_errors(make_pair(voice(2 ** (1 / 12)), voice()))
    assert errors.cents == pytest.approx(100, abs=4)
    assert errors.hertz == pytest.approx(150 * (2 ** (1 / 12) - 1), rel=0.1)
    assert errors.voicing < 2


def test_a_quarter_that_lost_its_voice(make_pair) -> None:
    errors = pitch_errors(make_pair(voice(voiced=np.arange(32_000) < 24_000), voice()))
    assert errors.voicing == pytest.approx(25, abs=6)  # pYIN holds on to a pitch for some frames
    assert errors.cents > 50, "octave errors on those frames count like any other"


def test_without_voice_there_is_no_pitch_error_but_a_voicing_error(make_pair) -> None:
    pair = make_pair(np.zeros(32_000), voice())
    errors = pitch_errors(pair)
    assert (errors.cents, errors.hertz) == (None, None)
    assert errors.voicing > 95
    assert (errors.fine_cents, errors.gross) == (None, None)


def test_an_octave_is_a_gross_error_and_leaves_the_fine_ones_alone(make_pair) -> None:
    first_half = np.arange(32_000) < 16_000
    output = np.where(first_half, voice(2), voice(2 ** (1 / 24)))
    errors = pitch_errors(make_pair(output, voice()))
    assert errors.gross == pytest.approx(50, abs=4)
    assert errors.fine_cents == pytest.approx(50, abs=6)
    assert errors.cents > 800


def test_metrics_and_what_they_say_of_the_same(make_pair) -> None:
    found = {metric.name: metric.function(make_pair(voice(), voice())) for metric in metrics()}
    low, high = (found.pop(name) for name in BANDS)
    assert found == {"f0_cents": 0, "f0_hz": 0, "fine_cents": 0, "gross_pitch_error": 0, "voicing_error": 0}
    assert low > 0.97
    assert high > 0.7, "the pitch glides inside a window"


def test_noise_above_1_khz_is_heard_in_the_upper_band_alone(make_pair) -> None:
    low, high = (metric for metric in metrics() if metric.name in BANDS)
    sections = butter(8, 1100, "highpass", fs=16_000, output="sos")
    hiss = sosfilt(sections, np.random.default_rng(0).standard_normal(32_000))
    voiced = sosfilt(butter(8, 900, "lowpass", fs=16_000, output="sos"), voice())
    pair = make_pair(voiced + 0.05 * hiss, voice())
    assert low.function(pair) > 0.95
    assert abs(high.function(pair)) < 0.25


def test_harmonicity_agrees_with_an_autocorrelation_by_hand() -> None:
    time = np.arange(16_000) / 16_000
    ratio = 0.5  # of noise's power to the tone's: correlation 1 / (1 + ratio)
    wave = np.sqrt(2) * np.sin(2 * np.pi * 250 * time)
    band = butter(4, (70, 1000), "bandpass", fs=16_000, output="sos")
    noise = sosfilt(band, np.random.default_rng(1).standard_normal(16_000))
    noise *= np.sqrt(ratio) / noise.std()
    value = harmonicity(wave + noise, np.full(100, 250.0), (70, 1000), 160, 16_000)
    assert value == pytest.approx(1 / (1 + ratio), abs=0.06)
    assert harmonicity(wave, np.full(100, np.nan), (70, 1000), 160, 16_000) is None
