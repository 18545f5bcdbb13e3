"""Tones and pieces made here: the same every time, kept, with energy where they say."""

from __future__ import annotations

import shutil
from itertools import islice
from pathlib import Path

import mido
import numpy as np
import pytest
import soundfile

from codec.data import soundfont
from codec.data.recording import Recording
from codec.data.sources import clips_of
from codec.data.tones import DTMF_COLUMNS, DTMF_ROWS, MAKERS, SAMPLE_RATE, make, tone, tone_clips
from codec.errors import CodecError


@pytest.mark.parametrize("kind", MAKERS)
def test_every_kind_sounds_and_is_decided_by_its_seed(kind: str) -> None:
    waves = [make(kind, np.random.default_rng(seed)) for seed in (3, 3, 4)]
    assert np.array_equal(waves[0], waves[1])
    assert not np.array_equal(waves[0], waves[2])
    for wave in waves:
        assert wave.shape == (4 * SAMPLE_RATE,)
        assert np.isfinite(wave).all()
        assert np.abs(wave).max() <= 1
        assert np.sqrt(np.mean(wave**2)) > 1e-3


def test_a_dialled_key_has_one_tone_of_a_row_and_one_of_a_column() -> None:
    wave = MAKERS["dial"](np.random.default_rng(0))[:800]  # the shortest key is 60 ms
    spectrum = np.abs(np.fft.rfft(wave * np.hanning(len(wave)), 16_000))
    for group in (DTMF_ROWS, DTMF_COLUMNS):
        levels = sorted(spectrum[int(frequency)] for frequency in group)
        assert levels[-1] > 3 * levels[-3]


def test_a_tone_has_its_level_and_soft_ends() -> None:
    wave = tone(1000, 1.0, -6.0)
    assert wave.max() == pytest.approx(10 ** (-6 / 20), rel=1e-3)
    assert np.abs(wave[[0, -1]]).max() < 1e-3


def test_tone_clips_are_kept(tmp_path: Path) -> None:
    first = list(tone_clips(tmp_path, 0.01))
    assert [clip.labels["kind"] for clip in first[:3]] == ["sines", "chords", "dial"]
    written = {clip.path: Path(clip.path).stat().st_mtime_ns for clip in first}
    assert list(tone_clips(tmp_path, 0.01)) == first
    assert {path: Path(path).stat().st_mtime_ns for path in written} == written


def test_pieces_are_scores_of_known_keys_that_end(tmp_path: Path) -> None:
    for seed in range(20):
        soundfont.write_piece(tmp_path / "a.mid", np.random.default_rng(seed))
        file = mido.MidiFile(tmp_path / "a.mid")
        notes = [message for message in file.tracks[0] if message.type in ("note_on", "note_off")]
        assert len([m for m in notes if m.type == "note_on"]) == len([m for m in notes if m.type == "note_off"]) > 4
        assert all(24 <= message.note <= 108 for message in notes)
        assert 9 < file.length < 40
        again = tmp_path / "b.mid"
        soundfont.write_piece(again, np.random.default_rng(seed))
        assert again.read_bytes() == (tmp_path / "a.mid").read_bytes()


def test_a_piece_is_played_once(tmp_path: Path) -> None:
    if shutil.which("fluidsynth") is None:
        pytest.skip("needs fluidsynth")
    soundfont_file = tmp_path / "font.sf2"
    fonts = list(Path("/usr/share").rglob("*.sf[23]"))
    if not fonts:
        pytest.skip("needs a SoundFont: apt-get install timgm6mb-soundfont")
    soundfont_file.symlink_to(fonts[0])
    clips = [clip for clip in islice(soundfont._played(tmp_path, [soundfont_file], 0.001), 1) if isinstance(clip, Recording)]
    wave, rate = soundfile.read(clips[0].path)
    assert rate == soundfont.SAMPLE_RATE
    assert np.sqrt(np.mean(wave**2)) > 1e-3
    assert clips[0].domain == "music"
    before = Path(clips[0].path).stat().st_mtime_ns
    assert soundfont.play(tmp_path, [soundfont_file], 0).stat().st_mtime_ns == before


def test_a_missing_player_shows_before_anything_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soundfont, "fetch_package", lambda *_: pytest.fail("fetched"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CodecError, match="apt-get install fluidsynth"):
        soundfont.soundfont_clips(tmp_path, 1.0)


@pytest.mark.parametrize("source", ["kokoro:", "tones:many", "soundfont:0", "tones:nan"])
def test_hours_must_be_a_number_above_0(source: str, tmp_path: Path) -> None:
    with pytest.raises(CodecError, match=f"source {source}: the hours must be a number above 0"):
        clips_of(source, tmp_path, tmp_path)
