"""Who says what: held-out voices and texts never reach training, and every beginning of the list has all of them."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from codec.data.recording import split_of
from codec.data.speech import plan
from codec.data.speech.plan import Line, lines
from codec.data.speech.voices import HELD_OUT_VOICES, VOICES, language_of, training_voices

COUNT = 3000


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> list[Line]:
    monkeypatch.setattr(
        plan.texts,
        "load",
        lambda packages, language: {kind: [f"{kind} {language} {i}" for i in range(200)] for kind in ("quotation", "word")},
    )
    return list(islice(lines(Path()), COUNT))


def test_voices_are_kokoros_54_and_every_language_but_one_trains_with_its_own() -> None:
    assert sum(map(len, VOICES.values())) == 54
    assert len(training_voices()) == 44
    assert [language for language in VOICES if not training_voices(language)] == ["fr"]


def test_held_out_voices_say_held_out_texts_and_nothing_else_does(listed: list[Line]) -> None:
    for line in listed:
        assert line.split == split_of(f"text/{line.text}")
        for voice in line.voices:
            assert HELD_OUT_VOICES.get(voice, "train") == line.split
        if line.split != "train":
            assert [line.language] == [language_of(voice) for voice in line.voices]


def test_shares_add_up_and_speeds_stay_natural(listed: list[Line]) -> None:
    assert all(sum(line.voices.values()) == pytest.approx(1) and len(line.voices) <= 2 for line in listed)
    assert all(plan.SLOWEST <= line.speed <= plan.FASTEST for line in listed)


def test_a_beginning_has_every_voice_and_the_languages_in_their_shares(listed: list[Line]) -> None:
    assert {voice for line in listed for voice in line.voices} == {voice for voices in VOICES.values() for voice in voices}
    trained = [line for line in listed if line.split == "train"]
    for language, share in plan.LANGUAGES.items():
        assert sum(line.language == language for line in trained) / len(trained) == pytest.approx(share, abs=0.03)


def test_the_list_is_the_same_every_time(listed: list[Line]) -> None:
    again = list(islice(lines(Path()), COUNT))
    assert [line.digest for line in again] == [line.digest for line in listed]
    assert len({line.digest for line in listed}) > 0.95 * COUNT
