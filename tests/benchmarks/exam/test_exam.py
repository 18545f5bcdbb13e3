"""The exam: the sound itself is best, noise is worst, the same card twice is the same, and what is missing is told."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from pydantic import TypeAdapter

from benchmarks.exam import run as exam_run
from benchmarks.exam.card import Card, best, distance, read_card, schema
from benchmarks.exam.columns import COSTS, GROUPS, TOKENS, Column
from benchmarks.exam.cost import Cost
from benchmarks.exam.leaderboard import CARDS, PAGE, page
from benchmarks.exam.markdown import markdown
from benchmarks.exam.material import material
from benchmarks.exam.opening import Opener
from benchmarks.exam.profile import bands
from benchmarks.exam.run import Exam, main, with_beside
from codec.errors import CodecError
from eval.colours import path_of
from eval.reconstruction.trained import history
from tests.benchmarks.exam.asked import exam
from tests.commands import ROOT

RATE = 16_000
CHEAP = ("stoi", "pesq_wb", "mel_distance", "stft_distance", "wer", "tones_kept", "tone_change")
MakeExam = Callable[..., Exam]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, speech: np.ndarray) -> Path:
    """Clips of somebody: two sentences without transcripts and a hum."""
    root = tmp_path_factory.mktemp("clips")
    for name, wave in (("a", speech[0, :40_000]), ("b", speech[0, 30_000:70_000])):
        soundfile.write(root / f"{name}.wav", wave, RATE)
    (root / "sound").mkdir()
    soundfile.write(root / "sound" / "hum.wav", 0.2 * np.sin(np.arange(2 * RATE) / 20), RATE)
    return root


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> tuple[Path, int]:
    """A quick exam of cheap metrics, written to a folder, and its exit code."""
    output = tmp_path_factory.mktemp("card")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exam_run, "_metric_names", lambda quick, also: CHEAP)
        code = main(exam(output, folder))
    return output, code


def test_missing_transcripts_are_no_failure(made: tuple[Path, int]) -> None:
    output, code = made
    card = read_card(output / "card.json")
    assert code == 0
    assert not card.problems
    assert card.clips == {"speech": 2, "sound": 1, "tones": 6}
    assert [codec.name for codec in card.codecs] == ["original", "noise", "codec2@1300", "semcodec@25"]
    assert all("wer" not in codec.figures["speech"] for codec in card.codecs)
    assert "sound" not in card.codecs[2].figures  # a codec for speech is not sent a hum


def test_the_sound_itself_is_best_in_every_row_and_noise_worst(made: tuple[Path, int]) -> None:
    card = read_card(made[0] / "card.json")
    compared = 0
    for group in ("speech", "tones"):
        for column in card.columns[group]:
            if column.key == "added_lines":
                continue
            away = {codec.name: distance(card.codecs, codec, group, column) for codec in card.codecs}
            known = {name: value for name, value in away.items() if value is not None}
            assert known["original"] == min(known.values())
            assert known["noise"] == max(known.values()), column
            assert known["original"] < known["noise"]
            compared += 1
    assert compared == 5


def test_tokens_are_those_of_codecs_that_have_some(made: tuple[Path, int]) -> None:
    original, noise, codec2, semcodec = read_card(made[0] / "card.json").codecs
    assert not {"kept", "first", "edits"} & {*original.figures, *noise.figures, *codec2.figures}
    assert set(semcodec.figures["kept"]) == {column.key for column in TOKENS["kept"]}
    assert semcodec.figures["kept"]["kept_mp3"].clips == 3
    assert semcodec.tokens_per_second == pytest.approx(25, abs=1.5)
    assert semcodec.kbps == pytest.approx(0.33, abs=0.03)


def test_the_same_card_twice_is_the_same(
    made: tuple[Path, int], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exam_run, "_metric_names", lambda quick, also: CHEAP)
    assert main(exam(tmp_path, folder)) == 0
    first, again = (read_card(path / "card.json") for path in (made[0], tmp_path))
    assert replace(again, provenance=replace(again.provenance, date=first.provenance.date)) == first


def test_what_models_were_trained_with_is_marked_everywhere(made: tuple[Path, int]) -> None:
    card = read_card(made[0] / "card.json")
    own = card.codecs[-1].figures["speech"]
    assert own["mel_distance"].trained_with
    assert own["stoi"].trained_with is None
    row = next(line for line in markdown(card).splitlines() if line.startswith("| semcodec@25 |"))
    assert row.count("†") == 1
    assert "† semcodec@25: mel distance: its loss" in markdown(card)
    page = (made[0] / "card.html").read_text()
    assert "†" in page


def test_opponents_tell_how_they_came_about(made: tuple[Path, int], tmp_path: Path) -> None:
    about = {"family": "dac_16khz", "parameters": 4_620_000, "processor_minutes": 360.0}
    (tmp_path / "peer.json").write_text(json.dumps(about))
    told = history(f"peer:{tmp_path}")
    assert told == "DAC's architecture, 4.6 M parameters, trained on our audio for 6.0 processor hours"
    card = read_card(made[0] / "card.json")
    assert [codec.history for codec in card.codecs] == [""] * 4
    peer = replace(card.codecs[-1], name="peer:dac", history=told)
    assert f"- peer:dac: {told}." in markdown(replace(card, codecs=[*card.codecs, peer]))
    assert history(f"peer:{tmp_path / 'nowhere'}") == ""


def test_the_page_needs_nothing_from_outside_and_shows_every_table(made: tuple[Path, int]) -> None:
    card, page = read_card(made[0] / "card.json"), (made[0] / "card.html").read_text()
    assert not re.findall(r"(?:src|href)=\"(?!data:|#)", page)
    assert "default-src 'none'" in page
    for group in card.columns:
        assert f'<h3 id="{group}">' in page
    assert page.count('class="player"') == 2
    profiles = [profile for band in bands(card) for profile in band.profiles]
    assert page.count("<polyline") == len(profiles) == 2
    for profile in profiles:  # their marker beside every figure, beside the name in the key, and in tables of another size
        assert page.count(f'd="{path_of(profile.codec, 5.5)}"') >= len(profile.dots)
    assert (made[0] / "card.md").read_text() == markdown(card)


def test_the_published_schema_is_that_of_the_card(made: tuple[Path, int]) -> None:
    assert (ROOT / "docs" / "exam-card.schema.json").read_text("utf-8") == schema()
    raw = json.loads((made[0] / "card.json").read_text())
    TypeAdapter(Card).validate_python(raw)
    raw["codecs"][0]["figures"]["speech"]["stoi"]["value"] = "good"
    (made[0] / "broken.json").write_text(json.dumps(raw))
    with pytest.raises(CodecError, match=r"broken\.json: no card of semcodec-exam/1"):
        read_card(made[0] / "broken.json")


def test_the_leaderboard_is_that_of_the_cards(made: tuple[Path, int]) -> None:
    cards = [read_card(path) for path in sorted(CARDS.glob("*.json"))]
    assert PAGE.read_text("utf-8") == page(cards), "run python -m benchmarks.exam.leaderboard"
    card = read_card(made[0] / "card.json")
    lines = page([card]).splitlines()
    rows = [
        line.split(" | ")[0].removeprefix("| ") for line in lines[lines.index("| --- | --- | --- | --- | --- | --- |") + 1 :]
    ]
    assert rows[:4] == ["original", "noise", "semcodec@25", "codec2@1300"]  # by what they take


def test_best_is_the_best_of_codecs_in_the_right_direction(made: tuple[Path, int]) -> None:
    card = read_card(made[0] / "card.json")
    cost = Cost(1.0, 2.0, 3.0, 100.0, 50.0, 500.0, 1.0, 0.1)
    codecs = [
        *card.codecs[:2],
        replace(card.codecs[2], cost=cost),
        replace(card.codecs[3], cost=replace(cost, encode_speed=200.0)),
    ]
    found = {column.key: best(codecs, "cost", column) for column in COSTS}
    assert found["encode_speed"] == {"semcodec@25"}
    assert found["lookahead"] == {"codec2@1300", "semcodec@25"}
    stoi = next(column for column in GROUPS["speech"] if column.key == "stoi")
    high, low = (
        replace(codecs[2], figures={"speech": {"x": replace(codecs[2].figures["speech"]["stoi"], value=v)}}) for v in (0.9, 0.2)
    )
    nearest = Column("x", "x", "original")
    reference = replace(codecs[0], figures={"speech": {"x": replace(codecs[2].figures["speech"]["stoi"], value=0.4)}})
    assert best([reference, replace(high, name="high"), replace(low, name="low")], "speech", nearest) == {"low"}
    assert best(codecs[:3], "speech", stoi) == set()


def test_what_a_codec_was_trained_with_is_neither_the_best_nor_a_full_dot(made: tuple[Path, int]) -> None:
    card = read_card(made[0] / "card.json")
    mel = next(column for column in GROUPS["speech"] if column.key == "mel_distance")
    figures = [codec.figures["speech"]["mel_distance"] for codec in card.codecs[2:]]
    assert [figure.trained_with is None for figure in figures] == [True, False]
    assert figures[1].value < figures[0].value
    third = replace(card.codecs[2], name="opus@6")
    assert best([*card.codecs, third], "speech", mel) == {"codec2@1300", "opus@6"}
    assert best(card.codecs, "speech", mel) == set()  # of one figure that counts
    ours = next(p for band in bands(marked_words(card)) for p in band.profiles if p.codec == "semcodec@25")
    assert [dot.title.partition(", ")[2] for dot in ours.dots if dot.hollow] == ["PESQ-WB: 1.2†"]


def marked_words(card: Card) -> Card:
    """The same as if ours had been trained with PESQ and had 1.2 of it."""
    ours = card.codecs[-1]
    pesq = replace(ours.figures["speech"]["pesq_wb"], value=1.2, trained_with="for a test")
    return replace(
        card, codecs=[*card.codecs[:-1], replace(ours, figures={"speech": {**ours.figures["speech"], "pesq_wb": pesq}})]
    )


def test_delays_stand_beside_what_codecs_wait_for(made: tuple[Path, int]) -> None:
    card = read_card(made[0] / "card.json")
    delay = next(column for column in card.columns["cost"] if column.key == "delay")
    assert delay.heading == "delay, ms"
    lines = markdown(card).split("## Cost")[1].splitlines()
    assert [line for line in lines if line.startswith("| ")][2:] == [
        f"| codec2@1300 | {card.codecs[2].kbps:.2f} | 20.0 |",
        f"| semcodec@25 | {card.codecs[3].kbps:.2f} | **0.000** |",
    ]


def test_the_small_set_is_the_same_everywhere_and_has_everything(tmp_path: Path) -> None:
    small = material(None, tmp_path, quick=False)
    assert {group: len(clips) for group, clips in small.groups.items()} == {"speech": 5, "music": 4, "sound": 4, "tones": 25}
    for clip in (clip for clips in small.groups.values() for clip in clips):
        wave, _ = clip.load()
        assert 0.005 < np.abs(wave).max() <= 1
        assert np.isfinite(wave).all()
    quick = material(None, tmp_path, quick=True)
    assert {group: len(clips) for group, clips in quick.groups.items()} == {"speech": 2, "music": 1, "sound": 2, "tones": 6}


def test_programs_have_names_and_codecs_stand_once() -> None:
    assert Opener().named("/opt/x/my_enc {in} {bits}", "dec {bits} {out}") == "my_enc (programs)"
    with pytest.raises(CodecError, match="--command takes an encoder and a decoder"):
        Opener().named(" ", "dec")
    assert with_beside(["opus@6"], None, quick=True) == ("opus@6", "codec2@1300")
    assert with_beside(["opus@6"], "", quick=True) == ("opus@6",)
    with pytest.raises(CodecError, match="no metric stoi to ask for besides; there are utmosv2"):
        exam_run._metric_names(True, ("stoi",))
    with pytest.raises(CodecError, match="no codecs: name one"):
        exam(Path(), None, codecs=())


def test_random_weights_and_unknown_codecs_are_refused_and_told(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(exam_run, "_metric_names", lambda quick, also: ("stoi",))
    with pytest.raises(CodecError, match="codec 'no-such@1': unknown"):  # before anything is measured
        main(exam(tmp_path, folder, codecs=("no-such@1",)))
    with pytest.raises(CodecError, match="no recogniser 'none'"):
        main(replace(exam(tmp_path, folder), asr="none"))
    assert not (tmp_path / "card.json").exists()
    assert main(exam(tmp_path, folder, codecs=("snac_24khz",))) == 1
    card = read_card(tmp_path / "card.json")
    assert [codec.name for codec in card.codecs] == ["original", "noise"]
    assert card.problems[0].startswith("snac_24khz was not run: ")
    assert card.problems[0] in capsys.readouterr().err
