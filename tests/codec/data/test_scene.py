"""Disturbances: each does what it is called, none leaves full scale, and a seed decides."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codec.data.scene import beside, disturb, overdrive, telephone

TIME = np.arange(16_000) / 16_000


def rms(wave: np.ndarray) -> float:
    return float(np.sqrt(np.mean(wave**2)))


def test_somebody_else_is_between_3_db_louder_and_20_db_softer() -> None:
    wave, other = np.sin(2 * np.pi * 440 * TIME), 0.01 * np.sign(np.sin(2 * np.pi * 100 * TIME[:3_000]))
    for seed in range(20):
        added = beside(wave, other, np.random.default_rng(seed)) - wave
        assert -20.1 < 20 * np.log10(rms(added) / rms(wave)) < 3.1


def test_a_telephone_keeps_1_khz_and_loses_50_hz_and_7_khz() -> None:
    for frequency, kept in ((1_000, True), (50, False), (7_000, False)):
        wave = np.sin(2 * np.pi * frequency * TIME)
        output = telephone(wave, np.random.default_rng(0), 16_000)[4_000:]
        assert (rms(output) > 0.6) if kept else (rms(output) < 0.05)


def test_overdrive_cuts_peaks_flat() -> None:
    wave = np.sin(2 * np.pi * 440 * TIME)
    output = overdrive(wave, np.random.default_rng(0))
    assert output.max() < 0.75
    assert np.mean(output == output.max()) > 0.1


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 20_000), st.integers(1, 30_000), st.integers(0, 1000), st.sampled_from([0.0, 1e-4, 0.9]))
def test_any_clip_keeps_its_length_and_stays_inside_full_scale(samples: int, others: int, seed: int, level: float) -> None:
    rng = np.random.default_rng(seed)
    wave, other = ((level * rng.uniform(-1, 1, n)).astype(np.float32) for n in (samples, others))
    output = disturb(wave, other, np.random.default_rng(seed))
    assert output.shape == wave.shape
    assert output.dtype == np.float32
    assert np.isfinite(output).all()
    assert np.abs(output).max() <= 1.0
    np.testing.assert_array_equal(output, disturb(wave, other, np.random.default_rng(seed)))


def test_all_four_happen() -> None:
    wave, other = np.sin(2 * np.pi * 440 * TIME).astype(np.float32), np.ones(100, np.float32)
    outputs = {disturb(wave, other, np.random.default_rng(seed)).round(3).tobytes() for seed in range(12)}
    assert len(outputs) == 12
    assert rms(wave) == pytest.approx(0.707, abs=0.01)
