"""Texts: from the layouts of the packages, without what nobody could read aloud."""

from __future__ import annotations

from pathlib import Path

import polib
import pytest

from codec.data.speech import texts


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    for package in texts.PACKAGES:
        (tmp_path / package).mkdir()
    spanish = tmp_path / "fortunes-es/usr/share/games/fortunes/es"
    spanish.mkdir(parents=True)
    (spanish / "arte.fortunes").write_text("El que escribe lee dos veces.\n\t\t-- Anónimo.\n%\nVisita http://x.org ya mismo.\n")
    english = tmp_path / "fortunes/usr/share/games/fortunes"
    english.mkdir(parents=True)
    (english / "cookie").write_text("Nobody reads\nall of this. A 4/3 share of it.\n%\nNO SHOUTING HERE PLEASE.\n")
    (tmp_path / "wordnet-base/data.verb").write_text('1 v | laugh; "She sighed \x1b[31msadly today"; "Oh"\n')
    catalogue = polib.POFile()
    catalogue.append(polib.POEntry(msgid="Who goes there, friend?", msgstr="¿Quién va, amigo?"))
    catalogue.append(polib.POEntry(msgid="You find ${item} here. Take it with you.", msgstr=""))
    folder = tmp_path / "flare-game/languages"
    folder.mkdir(parents=True)
    catalogue.save(str(folder / "data.es.po"))
    return tmp_path


def test_english(packages: Path) -> None:
    found = texts.load(packages, "en-us")
    assert found["quotation"] == ["Nobody reads all of this."]
    assert found["example"] == ["She sighed sadly today"]
    assert found["question"] == ["Who goes there, friend?"]
    assert set(found["dialogue"]) == {"You find here.", "Take it with you."}


def test_other_languages_have_what_there_is(packages: Path) -> None:
    spanish = texts.load(packages, "es")
    assert spanish["quotation"] == ["El que escribe lee dos veces."]
    assert spanish["question"] == ["¿Quién va, amigo?"]
    assert "dialogue" not in spanish  # untranslated
    assert set(texts.load(packages, "hi")) == {"name", "number"}


def test_drawn_texts_are_the_same_every_time(packages: Path) -> None:
    assert texts.load(packages, "ja") == texts.load(packages, "ja")
    assert texts.load(packages, "en-us")["name"] != texts.load(packages, "en-gb")["name"]
