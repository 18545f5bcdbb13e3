"""The synthesiser itself: real weights from the package registries, sound as long as its phonemes say."""

from __future__ import annotations

import itertools
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from codec.audio.io import read_audio
from codec.data.recording import LeftOut, Recording
from codec.data.speech import clips
from codec.data.speech.kokoro import FRAME, SAMPLE_RATE, Kokoro
from codec.data.speech.phonemes import phonemes
from codec.data.speech.plan import Line
from codec.errors import CodecError

LINE = Line("The quick brown fox.", "en-us", "quotation", {"af_heart": 0.6, "bm_lewis": 0.4}, 1.1, "train")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("npm") is None:
        pytest.skip("needs npm, for the voices")
    return tmp_path_factory.mktemp("packages") / "kokoro"


@pytest.fixture(scope="module")
def kokoro(folder: Path) -> Kokoro:
    return Kokoro(folder)


def test_durations_add_up_to_the_sound(kokoro: Kokoro) -> None:
    said = kokoro.speak(phonemes(LINE.text, "en-us"), LINE.voices)
    assert len(said.durations) == len(said.phonemes) + 2
    assert sum(said.durations) * FRAME == len(said.wave)
    assert 0.03 < np.sqrt(np.mean(said.wave**2)) < 0.5
    assert np.abs(said.wave[: FRAME * (said.durations[0] - 4)]).max() < 0.05  # the pause before the first phoneme


def test_speed_and_voice_matter(kokoro: Kokoro) -> None:
    text = phonemes(LINE.text, "en-us")
    slow, fast = kokoro.speak(text, {"am_adam": 1.0}, 0.8), kokoro.speak(text, {"am_adam": 1.0}, 1.25)
    assert sum(slow.durations) > 1.2 * sum(fast.durations)
    mixed = kokoro.style({"am_adam": 0.25, "af_sky": 0.75}, 9)
    pure = [kokoro.style({voice: 1.0}, 9) for voice in ("am_adam", "af_sky")]
    np.testing.assert_allclose(mixed, 0.25 * pure[0] + 0.75 * pure[1], atol=1e-6)


@pytest.mark.parametrize("said", ["", "☃ ", "a" * 501])
def test_what_cannot_be_said_is_one_line(kokoro: Kokoro, said: str) -> None:
    with pytest.raises(CodecError, match="phonemes; Kokoro says"):
        kokoro.speak(said, {"af_heart": 1.0})


@pytest.mark.parametrize(
    ("language", "text", "said"),
    [
        ("en-us", "How are you today?", "hˌW ɑːɹ juː tədˈA?"),
        ("en-gb", "No.", "nˈQ."),
        ("es", "¿Quién va?", "kjˈem bˈa?"),
        ("ja", "こんにちは。", "koɲɲiʨiβa."),
        ("zh", "你好。", "ni↓xau↓."),
    ],
)
def test_phonemes(language: str, text: str, said: str) -> None:
    assert phonemes(text, language) == said


def test_a_missing_program_is_one_line_before_anything_is_fetched_or_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each line of an endless plan used to be left out as unspeakable, for ever."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CodecError, match="apt-get install espeak-ng"):
        clips.kokoro_clips(tmp_path / "packages", 1.0)
    assert not (tmp_path / "packages").exists()


def test_a_program_that_goes_away_ends_the_work(kokoro: Kokoro, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    del kokoro
    monkeypatch.setattr(clips, "lines", lambda packages: itertools.repeat(replace(LINE, text="Another one.")))
    monkeypatch.setattr(clips, "check_readers", lambda languages: None)
    monkeypatch.setenv("PATH", str(folder))
    with pytest.raises(CodecError, match="apt-get install espeak-ng"):
        list(clips.kokoro_clips(folder.parent, 1.0, workers=1))


def test_clips_are_spoken_once_and_know_what_was_said(kokoro: Kokoro, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    endless = Line("word " * 200, "en-us", "word", {"af_heart": 1.0}, 1.0, "train")
    monkeypatch.setattr(clips, "lines", lambda packages: iter([endless, LINE, LINE]))
    first = list(clips.kokoro_clips(folder.parent, 0.0001, workers=1))
    assert [type(clip) for clip in first] == [LeftOut, Recording]
    clip = first[1]
    assert isinstance(clip, Recording)
    written = Path(clip.path).stat().st_mtime_ns
    wave, rate = read_audio(clip.path)
    assert rate == SAMPLE_RATE
    assert sum(map(int, clip.labels["durations"].split())) * FRAME == wave.shape[1]
    assert clip.split == "train"
    assert clip.labels["text"] == LINE.text
    again = list(clips.kokoro_clips(folder.parent, 0.0001, workers=1))
    assert again == first
    assert Path(clip.path).stat().st_mtime_ns == written
    assert json.loads(Path(clip.path).with_suffix(".json").read_text())["speaker"] == "af_heart*0.60+bm_lewis*0.40"
