import numpy as np
import pytest

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
    assert [metric.name for metric in metrics()] == ["f0_cents", "f0_hz", "voicing_error"]
