from __future__ import annotations

import shutil
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from codec.data.recording import Recording
from codec.data.store import Entry
from codec.errors import CodecError
from train.reader import speech
from train.reader.speech import ESPEAK, FLITE, LANGUAGES, Phrase, Speaker, needs, phrases, say, text_of, texts_of

PROGRAMS = all(map(shutil.which, ("flite", "espeak-ng")))
with_programs = pytest.mark.skipif(not PROGRAMS, reason="needs flite and espeak-ng")
LIBRARY = {language: {"word": ["one two three four", "five, six; seven!"], "name": ["Ada Lovelace"]} for language in LANGUAGES}


def recording(labels: dict[str, str], samples: int = 16_000, speed: float = 1.0) -> Entry:
    return Entry(Recording("a.wav", "a", "speech", "origin", labels), "train", 0, samples, speed)


def test_phrases_follow_from_the_seed_and_never_repeat() -> None:
    found = list(islice(phrases(LIBRARY, 3), 200))
    assert found == list(islice(phrases(LIBRARY, 3), 200))
    assert found != list(islice(phrases(LIBRARY, 4), 200))
    assert len(set(found)) == 200
    assert all(phrase.text and len(phrase.text) <= 60 for phrase in found)
    assert {phrase.language for phrase in found} - set(LANGUAGES)


def test_voices_that_probing_tasks_test_with_stay_out() -> None:
    assert "slt" not in FLITE
    assert "klatt4" not in ESPEAK


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ({"text": "Activated.", "language": "en", "prompt": "activated"}, Phrase("Activated.", "en-us")),
        ({"text": "Oui.", "language": "fr"}, Phrase("Oui.", "fr")),
        ({"text": "one", "language": "en", "prompt": "digits/1"}, None),
        ({"text": "alpha", "language": "en", "prompt": "phonetic/a_p"}, None),
        ({"language": "en"}, None),
        ({"text": "Oui."}, None),
    ],
)
def test_texts_of_recordings(labels: dict[str, str], told: Phrase | None) -> None:
    assert text_of(recording(labels)) == told


def test_copies_and_long_recordings_tell_no_text() -> None:
    labels = {"text": "Yes.", "language": "en"}
    assert text_of(recording(labels, speed=1.1)) is None
    assert text_of(recording(labels, samples=16_000 * 6)) is None
    assert texts_of([recording(labels), recording(labels, 8_000), recording({})]) == [Phrase("Yes.", "en-us")]


@with_programs
@pytest.mark.parametrize("speaker", [Speaker("flite", "rms"), Speaker("espeak-ng", "f2", 60, 150)])
def test_a_speaker_says_something_and_little_silence(speaker: Speaker, tmp_path: Path) -> None:
    wave = speaker.say(Phrase("good morning", "en-us"), tmp_path / "a.wav")
    assert 6_000 < len(wave) < 40_000
    assert wave.dtype == np.float32
    assert np.abs(wave[: 16_000 // 10]).max() > 0.003


@with_programs
def test_a_language_that_nobody_speaks_gives_nothing(tmp_path: Path) -> None:
    assert not len(Speaker("espeak-ng", "f2").say(Phrase("hello", "xx-none"), tmp_path / "a.wav"))


@with_programs
def test_voices_say_the_same_every_time() -> None:
    heard: list[np.ndarray] = []

    def encode(wave: np.ndarray) -> dict[int, np.ndarray]:
        heard.append(wave)
        return {2: np.zeros(1, np.int32)}

    for _ in range(2):
        assert len(say(Phrase("hello", "en-us"), 3, 0, encode)) == 3
    assert all(np.array_equal(a, b) for a, b in zip(heard[:3], heard[3:], strict=True))
    assert len({len(wave) for wave in heard[:3]}) == 3


def test_synthesisers_that_are_missing_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CodecError, match="apt-get install espeak-ng flite"):
        needs()
    with pytest.raises(CodecError, match="apt-get install espeak-ng flite"):
        Speaker("flite", "rms").say(Phrase("hello", "en-us"), tmp_path / "a.wav")
    assert speech.MISSING


def test_a_synthesiser_that_fails_is_named_and_not_taken_for_silence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "espeak-ng"
    program.write_text("#!/bin/sh\necho no room >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(CodecError, match=r"espeak-ng failed at 'hello': no room"):
        Speaker("espeak-ng", "f2").say(Phrase("hello", "en-us"), tmp_path / "a.wav")
