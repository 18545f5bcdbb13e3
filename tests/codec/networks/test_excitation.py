"""Excitation: exact wherever it is cut, on pitch, flat in its spectrum."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from codec.networks.excitation import NOISE_PERIODS, TURN, at_samples, harmonics, noise, phases, radians, turns

RATE, HOP = 16_000, 160


def glide(frames: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 150 * torch.exp(0.1 * torch.randn(1, frames, generator=generator).cumsum(1) / 3)


def test_values_between_frames_agree_with_numpy() -> None:
    values = torch.randn(2, 9, dtype=torch.float64)
    centres = np.arange(9) * HOP + (HOP - 1) / 2
    expected = [np.interp(np.arange(9 * HOP), centres, row) for row in values.numpy()]
    np.testing.assert_allclose(at_samples(values, HOP).numpy(), expected, atol=1e-6)  # offsets are single precision


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 30), st.integers(1, 30), st.integers(0, 500))
def test_a_window_has_the_phases_of_the_whole_wherever_it_is_cut(left: int, length: int, seed: int) -> None:
    f0 = glide(64, seed)
    whole = phases(turns(at_samples(f0, HOP), RATE), 0, torch.tensor([12_345]))
    # A frame of context on either side, as a window of the decoder has; the phase is known in its middle.
    first, last = max(0, left - 1), min(64, left + length + 1)
    part = turns(at_samples(f0[:, first:last], HOP), RATE)
    anchor = (left - first) * HOP
    window = phases(part, anchor, whole[:, left * HOP])
    assert torch.equal(window[:, anchor : anchor + length * HOP], whole[:, left * HOP : (left + length) * HOP])
    assert torch.equal(window[:, anchor + length * HOP], whole[:, (left + length) * HOP]), "what the next window begins with"


def test_harmonics_lie_on_multiples_of_the_pitch_and_are_equally_strong() -> None:
    frequency = torch.full((1, 2 * RATE), 200.0)
    phase = phases(turns(frequency, RATE), 0, torch.tensor([0]))[:, :-1]
    wave = harmonics(phase, frequency, 7_800)[0]
    assert wave.std().item() == pytest.approx(1, abs=0.01)
    spectrum = np.abs(np.fft.rfft(wave[:RATE].double().numpy() * np.hanning(RATE))) / (RATE / 4)
    lines = 20 * np.log10(spectrum[200:7_801:200])
    assert np.ptp(lines) < 0.1
    between = 20 * np.log10(np.max(spectrum[290:7_700:200]) + 1e-12)
    assert between < lines.min() - 60
    assert 20 * np.log10(spectrum[7_900:].max()) < lines.min() - 60, "no aliases"


def test_a_pitch_above_the_highest_harmonic_is_a_sine() -> None:
    frequency = torch.full((1, RATE), 5_000.0)
    phase = phases(turns(frequency, RATE), 0, torch.tensor([0]))[:, :-1]
    wave = harmonics(phase, frequency, 4_000)[0]
    np.testing.assert_allclose(wave, math.sqrt(2) * torch.cos(radians(phase))[0], atol=1e-2)


def test_an_hour_does_not_wear_the_phase_out() -> None:
    steps = turns(torch.tensor([[110.0]]), RATE).expand(1, 1000) * 57_600
    end = phases(steps, 0, torch.tensor([0]))[0, -1].item()
    exact = (round(110 / RATE * TURN) * 57_600_000) % TURN
    assert end == exact


def test_noise_is_white_known_by_position_and_does_not_repeat() -> None:
    wave = noise(0, 4 * RATE)
    assert (wave.mean().abs().item(), wave.std().item()) == pytest.approx((0, 1), abs=0.02)
    assert torch.equal(wave[1_000:1_500], noise(1_000, 500))
    power = np.abs(np.fft.rfft(wave.numpy())) ** 2
    bands = power[1:].reshape(32, -1).mean(1)
    assert np.ptp(10 * np.log10(bands)) < 1.5
    lagged = wave[NOISE_PERIODS[0] :]
    assert abs(np.corrcoef(lagged, wave[: len(lagged)])[0, 1]) < 0.6, "one of two tables comes round, the other does not"
    assert noise(-5, 10).shape == (10,)
