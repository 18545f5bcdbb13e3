"""Conversion where networks are, against the one of streams."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from codec.audio.io import resample
from codec.networks.resampling import converted, is_simple
from codec.tokens import model_samples

HERE = torch.device("cpu")


def error_db(found: np.ndarray, wanted: np.ndarray) -> float:
    """Of what both have, below the wanted one."""
    count = min(len(found), len(wanted))
    difference = found[:count] - wanted[:count]
    return float(10 * np.log10((difference**2).mean() / (wanted[:count] ** 2).mean()))


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 24_000, 32_000, 44_100, 48_000])
def test_recordings_are_those_of_a_stream(rate: int, speech: np.ndarray) -> None:
    """On real sound within 60 dB: filters differ only where they fall."""
    wave = resample(speech[:1], 16_000, rate)
    [found] = converted([wave[0]], rate, 16_000, HERE)
    assert len(found) == model_samples(wave.shape[1], rate)
    assert error_db(found.numpy(), resample(wave, rate, 16_000)[0]) < -60


@pytest.mark.parametrize(("hertz", "kept"), [(1_000, True), (7_200, True), (8_300, False), (15_000, False)])
def test_what_the_lower_rate_cannot_carry_is_gone(hertz: int, kept: bool) -> None:
    time = np.arange(48_000) / 48_000
    [found] = converted([np.sin(2 * np.pi * hertz * time).astype(np.float32)], 48_000, 16_000, HERE)
    middle = found.numpy()[1_000:-1_000]
    if kept:
        phase = 2 * np.pi * hertz * np.arange(len(found)) / 16_000
        np.testing.assert_allclose(middle, np.sin(phase)[1_000:-1_000], atol=1e-3)
    else:
        assert np.abs(middle).max() < 1e-4


def test_clips_of_any_lengths_go_together_and_know_nothing_of_each_other() -> None:
    clips = [np.random.default_rng(n).standard_normal(n).astype(np.float32) for n in (5_000, 1, 0, 12_345)]
    together = converted(clips, 44_100, 16_000, HERE)
    for clip, found in zip(clips, together, strict=True):
        [alone] = converted([clip], 44_100, 16_000, HERE)
        assert len(found) == model_samples(len(clip), 44_100)
        torch.testing.assert_close(found, alone, atol=1e-5, rtol=0)


def test_odd_ratios_are_left_to_streams() -> None:
    assert is_simple(44_100, 16_000)
    assert is_simple(96_000, 16_000)
    assert not is_simple(44_101, 16_000)
