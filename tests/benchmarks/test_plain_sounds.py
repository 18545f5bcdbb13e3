"""Plain sounds: the original is at no distance from itself, noise is far from everything, and levels are told as they are."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.plain_sounds import SOUNDS, compare, made, main


@pytest.mark.parametrize("sound", SOUNDS)
def test_every_sound_is_the_same_each_time_and_at_no_distance_from_itself(sound: str) -> None:
    wave = made(sound)
    assert np.array_equal(wave, made(sound))
    assert np.abs(wave).max() == pytest.approx(0.5)
    same = compare("original", sound, wave, wave)
    assert (same.level_change_db, same.level_error_db, same.spectral_distance_db) == (0, 0, 0)


def test_levels_and_distances_are_told() -> None:
    wave = made("white noise")
    louder = compare("louder", "white noise", 0.5 * wave, wave)
    assert louder.level_change_db == pytest.approx(6.02, abs=0.01)
    assert louder.level_error_db == pytest.approx(6.02, abs=0.01)
    assert louder.spectral_distance_db == pytest.approx(6.02, abs=0.5)  # less where a band is below the floor
    sine = made("sine of 1 kHz")
    other = compare("noise", "sine of 1 kHz", sine, wave * np.sqrt(np.mean(sine**2) / np.mean(wave**2)))
    assert abs(other.level_change_db) < 0.01
    assert other.spectral_distance_db > 20


def test_a_table_and_lines_of_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["original", "noise"], tmp_path / "sounds.jsonl")
    printed = capsys.readouterr().out
    assert "| sine of 1 kHz | +0.0, 0.0 |" in printed
    assert "| **mean** | 0.0, 0.0 |" in printed
    rows = [json.loads(line) for line in (tmp_path / "sounds.jsonl").read_text().splitlines()]
    assert len(rows) == 2 * len(SOUNDS)


def test_a_codec_that_is_none_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["semcodek"], None)
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("benchmarks.plain_sounds: ")
