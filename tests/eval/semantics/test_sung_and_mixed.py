"""Clips that tasks make: sung notes, and scenes of several sounds."""

from __future__ import annotations

import numpy as np
import pytest

from eval.semantics.tasks import scenes, singing
from eval.semantics.tasks.item import check


@pytest.mark.parametrize("pitch", [50, 59.9, 68.2])
def test_sung_notes_have_the_pitch_that_they_say(pitch: float) -> None:
    """Against Praat's pitch tracker, which knows nothing of the notes, and at another fundamental than was spoken."""
    import parselmouth

    time = np.arange(5_000) / 16_000
    spoken = sum(np.sin(2 * np.pi * 150 * n * time) / n for n in range(1, 20))
    sung = singing.on_note((8_000 * np.asarray(spoken)).astype(np.int16), pitch, np.random.default_rng(0))
    assert len(sung) == pytest.approx(16_000 * singing.SECONDS, rel=0.05)
    again = singing.on_note((8_000 * np.asarray(spoken)).astype(np.int16), pitch, np.random.default_rng(0))
    np.testing.assert_array_equal(sung, again)
    tracked = parselmouth.Sound(sung / 32768, 16_000).to_pitch(0.01, 75, 600).selected_array["frequency"]
    voiced = tracked[tracked > 0]
    assert len(voiced) > 0.7 * len(tracked)
    assert 69 + 12 * np.log2(np.median(voiced) / 440) == pytest.approx(pitch, abs=0.15)
    inner = voiced[len(voiced) // 8 : -len(voiced) // 8]  # at its very ends a sound keeps what it was
    assert np.abs(12 * np.log2(inner / np.median(inner))).max() < 0.7, "vibrato, and no more"


def test_voices_sing_every_note_and_are_on_one_side(monkeypatch: pytest.MonkeyPatch) -> None:
    def hum(wave: np.ndarray, pitch: float, random: np.random.Generator) -> np.ndarray:
        return np.append(wave[:50], random.integers(-9, 9, 50)).astype(np.int16)

    monkeypatch.setattr(singing, "on_note", hum)
    monkeypatch.setattr(singing, "say_all", lambda jobs: [np.full(60, len(voice.name), np.int16) for voice, _, _ in jobs])
    items = singing.sung_pitch(None, 0)  # type: ignore[arg-type]
    check("sung_pitch", items)
    assert len({item.label for item in items}) == 24
    assert {item.group for item in items if item.split == "test"} == {"slt", "klatt4"}


def test_events_are_where_they_are_said_to_be() -> None:
    """Whatever sounds in a second is among its events, and each event is louder than what is between them."""
    hiss = scenes.Sound(np.random.default_rng(1).standard_normal(8_000), "a", False)
    for seed in range(5):
        item = scenes.scene({"hiss": [hiss], "other": [hiss]}, "test", np.random.default_rng(seed))
        assert item.classes <= {"hiss", "other"}
        loud = np.sqrt(np.mean(item.wave[: 8 * 16_000].astype(float).reshape(-1, 160) ** 2, axis=1)) > 3 * 32767 * scenes.NOISE
        inside = np.zeros(len(loud), bool)
        for onset, offset, _ in item.events:
            inside[round(onset * 100) : round(offset * 100)] = True
        assert np.mean(loud == inside) > 0.985
    assert scenes.audible(np.zeros(100)).size == 0
    quiet, bang = 0.001 * np.ones(4_000), np.ones(3_200)
    assert len(scenes.audible(np.concatenate([quiet, bang, quiet]))) == pytest.approx(3_200, abs=640)
