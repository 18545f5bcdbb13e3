import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codec.data.room import rerecord


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 20_000), st.integers(0, 1000), st.sampled_from([0.0, 1e-4, 0.1, 0.9]))
def test_any_clip_keeps_its_length_and_stays_inside_full_scale(samples: int, seed: int, level: float) -> None:
    wave = (level * np.random.default_rng(seed).uniform(-1, 1, samples)).astype(np.float32)
    output = rerecord(wave, np.random.default_rng(seed))
    assert output.shape == wave.shape
    assert output.dtype == np.float32
    assert np.isfinite(output).all()
    assert np.abs(output).max() <= 1.0


def test_level_stays_and_sound_changes() -> None:
    wave = (0.1 * np.sin(2 * np.pi * 440 * np.arange(32_000) / 16_000)).astype(np.float32)
    outputs = [rerecord(wave, np.random.default_rng(seed)) for seed in range(8)]
    for output in outputs:
        assert np.sqrt(np.mean(output**2)) == pytest.approx(np.sqrt(np.mean(wave**2)), rel=0.05)
    assert all(not np.allclose(a, b, atol=1e-3) for a, b in itertools.pairwise(outputs))


def test_the_same_seed_gives_the_same_room() -> None:
    wave = np.random.default_rng(0).standard_normal(5_000).astype(np.float32) * 0.1
    np.testing.assert_array_equal(rerecord(wave, np.random.default_rng(5)), rerecord(wave, np.random.default_rng(5)))
