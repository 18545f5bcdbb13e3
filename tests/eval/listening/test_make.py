import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from codec.audio.io import resample
from codec.baselines import open_codec
from codec.cli import main
from codec.data.testsets import Clip, clips_of
from codec.errors import CodecError
from eval.listening.cli import _clips, parse_clips
from eval.listening.make import Recipe, make_study
from eval.listening.study import LOW_ANCHOR, MID_ANCHOR, REFERENCE, Study, Trial, load_study, save_study
from eval.reconstruction.delay import common_delay
from tests.eval.listening.conftest import FINE, Steps, write_recordings

TWO = {"speech": 2}


@dataclass
class Broken(Steps):
    """Fails on the first clips, or on all."""

    failures: int = 99

    def encode(self, wave: np.ndarray, sample_rate: int):
        self.failures -= 1
        if self.failures >= 0:
            raise RuntimeError("no such device")
        return super().encode(wave, sample_rate)


def test_study_is_complete_in_itself(new_study: Callable[..., Path]) -> None:
    folder = new_study()
    study = load_study(folder)
    assert [c.name for c in study.conditions] == [REFERENCE, "fine", "coarse", LOW_ANCHOR, MID_ANCHOR]
    assert Counter(t.domain for t in study.trials) == {"speech": 2, "music": 1}
    assert study.training.clip not in {t.clip for t in study.trials}
    waves = {}
    for trial in study.trials:
        for name, condition in [(trial.reference, "open"), *((s.id, s.condition) for s in trial.stimuli)]:
            waves[condition], rate = soundfile.read(folder / "audio" / f"{name}.flac")
        assert {len(w) for w in waves.values()} == {round(trial.seconds * rate)}
        assert np.array_equal(waves["open"], waves[REFERENCE])
        error = {name: np.square(waves[name] - waves[REFERENCE]).mean() for name in waves}
        assert error["fine"] < error["coarse"]
        assert error[MID_ANCHOR] < error[LOW_ANCHOR]
    # Names of files say nothing, and no two roles share one.
    names = [s.id for t in (*study.trials, study.training) for s in t.stimuli] + [t.reference for t in study.trials]
    assert len(set(names)) == len(names)
    assert all(len(name) == 16 for name in names)
    assert sorted(p.stem for p in (folder / "audio").iterdir()) == sorted(study.audio_ids)
    assert (folder / "study.json").stat().st_mode & 0o077 == 0


def test_seed_decides_everything_that_is_heard(recordings: list[Clip], tmp_path: Path) -> None:
    clips = [
        [t.clip for t in make_study(tmp_path / f"{i}", recordings, [FINE], Recipe({"speech": 2}, seed=seed)).trials]
        for i, seed in enumerate((5, 5, 6, 7))
    ]
    assert clips[0] == clips[1]
    assert any(c != clips[0] for c in clips)


def test_delay_of_a_codec_is_taken_out(recordings: list[Clip], tmp_path: Path) -> None:
    late = Steps("late", 0.001, late=320, delay=None)
    study = make_study(tmp_path / "s", recordings, [late], Recipe({"speech": 1}))
    (trial,) = study.trials
    sounds = {s.condition: soundfile.read(tmp_path / "s" / "audio" / f"{s.id}.flac")[0] for s in trial.stimuli}
    assert np.corrcoef(sounds["late"][:-400], sounds[REFERENCE][:-400])[0, 1] > 0.99


def test_vocoders_are_heard_in_time(speech: np.ndarray, tmp_path: Path) -> None:
    """Waveforms cannot tell it: before, Codec2 stayed 20 to 30 ms late beside the reference."""
    folder = tmp_path / "data" / "speech"
    folder.mkdir(parents=True)
    speeds = (13_000, 14_000, 15_000, 16_000, 17_000, 18_000)
    for rate in speeds:
        for step in (1, -1):
            wave = speech[0, ::step] if rate == 16_000 else resample(speech, 16_000, rate)[0, ::step]
            soundfile.write(folder / f"{rate}{step}.wav", wave, 16_000)
    names = ["codec2@700C", "codec2@1300"]
    recipe = Recipe({"speech": 2 * len(speeds) - 1}, "ab")
    study = make_study(tmp_path / "s", clips_of(str(tmp_path / "data")), [open_codec(name) for name in names], recipe)
    pairs: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {name: [] for name in names}
    for trial in study.trials:
        reference = soundfile.read(tmp_path / "s" / "audio" / f"{trial.reference}.flac", dtype="float32")[0]
        for stimulus in trial.stimuli:
            heard = soundfile.read(tmp_path / "s" / "audio" / f"{stimulus.id}.flac", dtype="float32")[0]
            pairs[stimulus.condition].append((reference, heard))
    for name in names:
        assert abs(common_delay(pairs[name])) < 0.001, name


@pytest.mark.parametrize(("mode", "trials", "sounds"), [("ab", 3, 2), ("acr", 3 * 3, 1)])
def test_other_modes(new_study: Callable[..., Path], mode: str, trials: int, sounds: int) -> None:
    study = load_study(new_study(mode=mode))
    assert len(study.trials) == trials
    assert {len(t.stimuli) for t in study.trials} == {sounds}
    assert all((t.reference is None) == (mode == "acr") for t in study.trials)


@settings(max_examples=30)
@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 12), st.integers(0, 99))
def test_every_trial_is_heard_equally_often(count: int, per_rater: int, raters: int, seed: int) -> None:
    trials = tuple(Trial(str(i), str(i), "sound", None, (), 1.0) for i in range(count))
    study = Study("t", "acr", seed, (), trials, trials[0], min(per_rater, count), "")
    plans = [study.plan(rater) for rater in range(raters)]
    assert all(len({t.id for t in plan}) == study.per_rater for plan in plans)
    heard = Counter(t.id for plan in plans for t in plan)
    assert max(heard.values()) - min(heard.get(t.id, 0) for t in trials) <= 1
    assert plans == [study.plan(rater) for rater in range(raters)]


def test_raters_hear_in_different_orders(new_study: Callable[..., Path]) -> None:
    study = load_study(new_study())
    orders = {tuple(s.condition for s in study.plan(rater)[0].stimuli) for rater in range(20)}
    assert len(orders) > 10
    firsts = Counter(study.plan(rater)[0].id for rater in range(60))
    assert len(firsts) == 3


def test_a_clip_that_a_codec_fails_on_is_left_out_and_said(recordings: list[Clip], tmp_path: Path) -> None:
    study = make_study(tmp_path / "s", recordings, [FINE, Broken("frail", 0.01, failures=1)], Recipe(TWO))
    (line,) = [note for note in study.notes if "left out" in note]
    assert "frail failed (RuntimeError: no such device)" in line
    assert line.split(":")[0] not in {t.clip for t in study.trials}


def test_a_clip_too_long_is_cut_and_the_study_says_so(tmp_path: Path) -> None:
    (tmp_path / "data" / "sound").mkdir(parents=True)
    wave = 0.1 * np.random.default_rng(0).standard_normal(13 * 16_000)
    soundfile.write(tmp_path / "data" / "sound" / "long.wav", wave, 16_000)
    said: list[str] = []
    study = make_study(tmp_path / "s", clips_of(str(tmp_path / "data")), [FINE], Recipe({"sound": 1}), said.append)
    assert [trial.seconds for trial in study.trials] == [10.0]
    [line] = [note for note in load_study(tmp_path / "s").notes if "cut to 10 s" in note]
    assert line.startswith("sound/long.wav: 13.0 s, cut to 10 s from")
    assert line in said


def test_bad_input(recordings: list[Clip], tmp_path: Path) -> None:
    def make(codecs=(FINE,), **recipe) -> None:
        make_study(tmp_path / "s", recordings, codecs, Recipe(**{"clips": TWO} | recipe))

    for message, arguments in {
        "no sound clips": {"clips": {"sound": 1}},
        "4 speech clips asked for, only 3": {"clips": {"speech": 4}},
        "failed on 3 speech clips in a row": {"codecs": [Broken("b", 0.1)]},
        "random weights": {"codecs": [replace(FINE, trained=False)]},
        "named twice": {"codecs": [FINE, FINE]},
        "at least one codec": {"codecs": []},
        "at least two codecs": {"mode": "ab"},
        "13 sounds in a trial": {"codecs": [Steps(str(i), 0.1) for i in range(10)]},
    }.items():
        with pytest.raises(CodecError, match=message):
            make(**arguments)
        assert not (tmp_path / "s").exists()
    make()
    with pytest.raises(CodecError, match="not empty"):
        make()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["s"]


def test_damaged_studies(new_study: Callable[..., Path]) -> None:
    folder = new_study()
    study = load_study(folder)
    good = json.loads((folder / "study.json").read_text())
    for message, change in {
        "mode": {"mode": "guess"},
        "another version": {"format": 2},
        "do not fit": {"per_rater": 99},
        "not a date": {"closes": "soon"},
        "time zone": {"closes": "2030-01-01"},
    }.items():
        (folder / "study.json").write_text(json.dumps(good | change))
        with pytest.raises(CodecError, match=message):
            load_study(folder)
    (folder / "study.json").write_text("{")
    with pytest.raises(CodecError, match="not a listening test"):
        load_study(folder)
    traversal = replace(study, training=replace(study.training, reference="../../study"))
    save_study(traversal, folder)
    with pytest.raises(CodecError, match="missing"):
        load_study(folder)
    save_study(study, folder)
    next((folder / "audio").iterdir()).unlink()
    with pytest.raises(CodecError, match="1 sounds are missing"):
        load_study(folder)
    with pytest.raises(CodecError, match="codec eval listen make"):
        load_study(folder / "audio")


def test_closing_time(new_study: Callable[..., Path]) -> None:
    now = datetime.now(timezone.utc)
    study = load_study(new_study(closes=(now + timedelta(hours=1)).isoformat()))
    assert not study.is_closed(now)
    assert study.is_closed(now + timedelta(hours=2))


def test_equal_names_in_two_folders(tmp_path: Path) -> None:
    folders = [str(write_recordings(tmp_path / name)) for name in ("a", "b")]
    names = [clip.name for clip in _clips([*folders, folders[0]])]
    assert len(set(names)) == len(names) == 10
    assert sum(name.startswith(f"{folders[1]}: ") for name in names) == 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--seed", "-1"], "Invalid value for '--seed'"),
        (["--days", "nan"], "cannot expire after nan days"),
        (["--days", "1e12"], "cannot expire after 1e\\+12 days"),
        (["--mode", "best"], "mode 'best' is not one of"),
        (["-o", "file/study"], "^codec: file: "),
    ],
)
def test_options_that_make_no_sense(
    options: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("codec.baselines.open_codec", lambda name, load=None: FINE)
    (tmp_path / "file").touch()
    data = str(write_recordings(tmp_path / "data"))
    with pytest.raises(SystemExit) as end:
        main(["eval", "listen", "make", "-c", "fine", "-d", data, "--clips", "speech=1", "-o", "study", *options])
    assert end.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(message, line)


@pytest.mark.parametrize("text", ["", "speech", "speech=0", "speech=-1", "noise=2", "speech=1,speech=2", "speech=²"])
def test_clips_option(text: str) -> None:
    with pytest.raises(CodecError, match="write for example"):
        parse_clips(text)
