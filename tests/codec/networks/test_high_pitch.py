"""A pitch for notes above voices, and for nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from codec.networks.frontend import AcousticFrontEnd
from codec.networks.high_pitch import with_high_pitch
from codec.networks.pitch import Pitch

TIME = np.arange(16_000) / 16_000


def found(wave: np.ndarray, voiced: float = 0.0) -> Pitch:
    features = AcousticFrontEnd()(torch.from_numpy(wave[None].astype(np.float32)))
    tracked = Pitch(torch.full(features.mel.shape[:2], 120.0), torch.full(features.mel.shape[:2], voiced))
    pitch = with_high_pitch(tracked, features.correlogram, features.lines)
    return Pitch(pitch.f0[:, 10:-10], pitch.voiced[:, 10:-10])


def sawtooth(hertz: float) -> np.ndarray:
    wave: np.ndarray = np.sum([np.sin(2 * np.pi * hertz * n * TIME) / n for n in range(1, int(7_500 / hertz) + 1)], axis=0)
    return wave


@pytest.mark.parametrize("hertz", [640.0, 760.0, 880.0, 960.0])
def test_a_note_above_voices_has_its_octave_below(hertz: float) -> None:
    pitch = found(0.1 * sawtooth(hertz))
    assert pitch.voiced.all()
    assert pitch.f0.numpy() == pytest.approx(hertz / 2, rel=3e-3)


def test_a_square_wave_with_aliases_is_told_by_its_lines() -> None:
    pitch = found(0.2 * np.sign(np.sin(2 * np.pi * 900 * TIME)))
    assert pitch.voiced.all()
    assert pitch.f0.numpy() == pytest.approx(450, rel=3e-3)


@pytest.mark.parametrize(
    "wave",
    [
        0.1 * np.random.default_rng(0).standard_normal(16_000),
        0.2 * np.sin(2 * np.pi * 1_000 * TIME),
        1e-4 * sawtooth(800),
        np.zeros(16_000),
        0.1 * sawtooth(1_500),
    ],
    ids=["noise", "tone", "too quiet", "silence", "too high"],
)
def test_nothing_else_has_one(wave: np.ndarray) -> None:
    assert not found(wave).voiced.any()


def test_what_the_tracker_found_stays() -> None:
    pitch = found(0.1 * sawtooth(800), voiced=1.0)
    assert (pitch.f0 == 120).all()
