"""Every row that this machine can measure has the sound itself at its best end and noise at its worst."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmarks.exam import run as exam_run
from benchmarks.exam.card import Card, distance, read_card
from benchmarks.exam.columns import GROUPS
from benchmarks.exam.leaderboard import CARDS
from benchmarks.exam.run import main
from codec.audio.io import read_audio, resample
from tests.benchmarks.exam.asked import exam
from tests.conftest import DATA

RATE = 16_000


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory, speech: np.ndarray) -> Card:
    """Of nothing but the two ends of the scale, in all metrics of a full exam that can be had here."""
    output, folder = tmp_path_factory.mktemp("card"), tmp_path_factory.mktemp("clips")
    music, rate = read_audio(DATA / "music.flac")
    for domain, wave in (("speech", speech[0]), ("music", resample(music[:1], rate, RATE)[0][: 3 * RATE])):
        (folder / domain).mkdir()
        soundfile.write(folder / domain / "a.wav", wave, RATE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exam_run, "_metric_names", lambda quick, also, every=exam_run._metric_names: every(False, also))
        main(exam(output, folder, codecs=("original",)))
    return read_card(output / "card.json")


def rows_between_anchors(card: Card) -> dict[tuple[str, str], bool]:
    """By group and figure, of those that both have: whether the sound itself is better than noise."""
    anchors = {codec.name: codec for codec in card.codecs if codec.anchor}
    assert anchors.keys() == {"original", "noise"}
    found = {}
    for group in GROUPS.keys() & card.columns.keys():
        for column in card.columns[group]:
            best, worst = (distance(card.codecs, anchors[name], group, column) for name in ("original", "noise"))
            if best is not None and worst is not None:
                found[group, column.key] = best < worst
    return found


@pytest.mark.slow
def test_the_sound_itself_is_best_and_noise_is_worst_in_every_row(card: Card) -> None:
    assert [codec.name for codec in card.codecs] == ["original", "noise"]
    between = rows_between_anchors(card)
    assert not [row for row, ordered in between.items() if not ordered]
    measured = {key for _, key in between}
    assert {"stoi", "pesq_wb", "pesq_nb", "mel_distance", "stft_distance", "tones_kept", "tone_change"} <= measured


@pytest.mark.parametrize("path", sorted(CARDS.glob("*.json")), ids=lambda path: path.stem)
def test_published_cards_lie_between_their_anchors(path: Path) -> None:
    between = rows_between_anchors(read_card(path))
    assert not [row for row, ordered in between.items() if not ordered]
    assert len(between) > 20


@pytest.mark.slow
def test_what_noise_has_no_figure_for_is_told_of_nobody_else(card: Card) -> None:
    """Where nothing is voiced, nothing can be off in pitch: that is noise's own lack, no problem of the exam."""
    assert not [line for line in card.problems if "noise" in line]
    for group, columns in card.columns.items():
        for column in columns:
            original = card.codecs[0].figures.get(group, {})
            assert column.key in original or not original, (group, column.key)
