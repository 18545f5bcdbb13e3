"""Level and frequency of tones against what was put in, and lines that a codec draws."""

from __future__ import annotations

import numpy as np
import pytest

from eval.reconstruction.interface import MetricError, Pair
from eval.reconstruction.tones import Tones, added_lines, spectrum_db, tone_errors

RATE = 16_000
TIME = np.arange(2 * RATE) / RATE


def sine(frequency: float, level_db: float = -9.0) -> np.ndarray:
    return 10 ** (level_db / 20) * np.sin(2 * np.pi * frequency * TIME)


def pair(reference: np.ndarray, output: np.ndarray, text: str) -> Pair:
    return Pair(reference.astype(np.float32), output.astype(np.float32), RATE, "sound", text)


@pytest.mark.parametrize("frequency", [100.0, 440.0, 1003.7, 6999.0])
def test_a_sine_that_lost_ten_decibels_and_moved_by_one_percent(frequency: float) -> None:
    errors = tone_errors(pair(sine(frequency), sine(1.01 * frequency, -19.0), f"{frequency}"))
    assert errors.level == pytest.approx(-10, abs=0.2)
    assert errors.frequency == pytest.approx(1.0, abs=0.35 if frequency < 200 else 0.05)


def test_the_worse_of_two_tones_counts() -> None:
    reference = sine(697) + sine(1209)
    errors = tone_errors(pair(reference, sine(697, -8.0) + sine(1209, -29.0), "697+1209"))
    assert errors.level == pytest.approx(-20, abs=0.3)
    assert errors.frequency < 0.1


def test_a_beep_is_measured_where_it_sounds() -> None:
    noise = 0.05 * np.random.default_rng(0).standard_normal(len(TIME))
    sounding = (TIME > 0.5) & (TIME < 0.9)
    kept, lost = noise + sounding * sine(1000), noise
    assert tone_errors(pair(kept, kept, "1000@0.5-0.9")).level == 0
    assert tone_errors(pair(kept, lost, "1000@0.5-0.9")).level < -20


def test_noise_instead_of_a_tone_has_neither_its_level_nor_its_frequency() -> None:
    noise = 0.25 * np.random.default_rng(0).standard_normal(len(TIME))
    errors = tone_errors(pair(sine(2000), noise, "2000"))
    assert errors.level < -10


def test_a_whistle_with_vibrato_that_goes_flat() -> None:
    def whistle(factor: float) -> np.ndarray:
        return 0.3 * np.sin(2 * np.pi * np.cumsum(factor * 1500 * (1 + 0.02 * np.sin(2 * np.pi * 5 * TIME))) / RATE)

    errors = tone_errors(pair(whistle(1), 0.5 * whistle(0.97), "moving"))
    assert errors.level == pytest.approx(-6.0, abs=0.3)
    assert errors.frequency == pytest.approx(3, abs=0.3)


@pytest.mark.parametrize("text", ["", "hello", "440@", "1000@0.5-0.55", "440+"])
def test_no_tones_named_is_no_figure(text: str) -> None:
    with pytest.raises(MetricError, match="tones"):
        tone_errors(pair(sine(440), sine(440), text))


def test_levels_are_those_of_full_scale() -> None:
    assert spectrum_db(sine(1000, 0.0)).max() == pytest.approx(0, abs=0.05)
    assert Tones.parse("100+2.5@0.5-1") == Tones((100.0, 2.5), 0.5, 1.0)


def test_a_line_that_was_drawn_and_one_that_was_there() -> None:
    noise = 0.05 * np.random.default_rng(0).standard_normal(len(TIME))
    drawn = noise + sine(1012.5, -30.0)
    assert added_lines(pair(noise, noise, "")) == 0
    assert added_lines(pair(noise, drawn, "")) > 15
    assert added_lines(pair(drawn, drawn, "")) == 0
    assert added_lines(pair(drawn, noise + sine(1020.0, -30.0), "")) < 3, "moved a little is not drawn"
