from __future__ import annotations

import numpy as np
import pytest

from codec.data.recording import Recording
from codec.data.store import Entry
from codec.errors import CodecError
from train.ssl.phonemes import is_labelled, phonemes_of, whitening, within


def entry(phonemes: str, durations: str, speed: float = 1.0, samples: int = 3200) -> Entry:
    labels = {"phonemes": phonemes, "durations": durations}
    return Entry(Recording("x.flac", "x", "speech", "kokoro", labels), "train", 0, samples, speed)


def test_frames_between_two_phonemes_have_none() -> None:
    said = phonemes_of(entry("ab", "2 2 3 1"))  # < until 50 ms, a until 100, b until 175, > until 200
    assert said == ["<", "<", "", "a", "a", "b", "b", "b", "", ">"]
    assert phonemes_of(entry("ab", "2 2 3 1", 2.0, 1600)) == ["<", "", "", "b", ""]  # sped up: half as long
    assert phonemes_of(entry("a", "1 1 1", 1.0, 3200)) == ["<", "", "", "", "", "", "", "", "", ""]


def test_other_durations_are_an_error() -> None:
    with pytest.raises(CodecError, match="3 durations for 4 phonemes and pauses"):
        phonemes_of(entry("ab", "1 1 1"))
    assert is_labelled(entry("", ""))
    assert not is_labelled(Entry(Recording("x", "x", "speech", "x", {}), "train", 0, 1))


def test_what_differs_inside_phonemes_counts_less() -> None:
    rng = np.random.default_rng(0)
    names = rng.choice(list("aeiou"), 4000)
    turns = np.linspace(0, 2 * np.pi, 5, endpoint=False)
    means = {name: np.array([np.cos(turn), np.sin(turn), 0, 0, 0, 0]) for name, turn in zip("aeiou", turns, strict=True)}
    voice = rng.normal(size=(4000, 6)) * [0.3, 0.3, 0.3, 3, 3, 0.3]
    features = np.array([means[name] for name in names]) + voice
    covariance = within(features, names.tolist())
    assert np.allclose(covariance, np.cov(voice.T), atol=0.5)
    stretched = features @ whitening(covariance)
    values = np.linalg.eigh(np.cov(stretched.T))
    leading = values[1][:, -2:]
    assert np.linalg.norm(leading[:2]) > 0.9 * np.linalg.norm(leading)  # what phonemes differ by, not the loud voice
    plain = np.linalg.eigh(np.cov(features.T))[1][:, -2:]
    assert np.linalg.norm(plain[3:5]) > 0.9 * np.linalg.norm(plain)


def test_too_few_frames_are_an_error() -> None:
    with pytest.raises(CodecError, match="no phoneme has 20 frames; add clips with phonemes"):
        within(np.zeros((30, 2)), [*"ab" * 10, *[""] * 10])
