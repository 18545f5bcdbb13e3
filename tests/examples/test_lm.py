"""The example of a language model, at toy size: every step of it, by its own commands."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from benchmarks import tables
from codec.tokenize import Options, TokenDataset, tokenize
from tests.conftest import DATA

EXAMPLE = Path(__file__).parents[2] / "examples" / "lm"


def python(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *map(str, words)], capture_output=True, text=True)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lm")
    for kind, name in (("speech", "speech"), ("music", "music")):
        (folder / "in" / kind).mkdir(parents=True)
        shutil.copy(DATA / f"{name}.flac", folder / "in" / kind)
    wave, rate = soundfile.read(DATA / "music.flac")
    soundfile.write(folder / "in" / "music" / "reversed.wav", wave[::-1], rate)
    return folder / "in"


@pytest.fixture(scope="module")
def shards(recordings: Path) -> Path:
    folder = recordings.with_name("shards")
    tokenize(Options(recordings, folder, rate=100, vocab=4096, workers=0))
    return folder


def test_tokens_to_sound(shards: Path, tmp_path: Path) -> None:
    pytest.importorskip("accelerate")
    pytest.importorskip("transformers")
    small = ("--steps", 30, "--width", 64, "--layers", 1, "--batch", 2, "--seconds", 1, "--streams", 2)
    done = python(EXAMPLE / "train.py", shards, "-o", tmp_path / "lm", *small)
    assert done.returncode == 0, done.stderr
    curve = json.loads((tmp_path / "lm" / "curve.json").read_text())
    assert curve[-1]["step"] > 0
    assert curve[-1]["bits_per_second"] == pytest.approx(50 * curve[-1]["bits_per_token"], rel=1e-2)
    bits = [point["bits_per_token"] for point in curve]
    assert min(bits) < bits[0], "on a few recordings it learns first, and then learns them by heart"
    more = ("--prompt", DATA / "speech.flac", "--keep", 0.4, "--seconds", 0.6)
    done = python(EXAMPLE / "sample.py", tmp_path / "lm", "-o", tmp_path / "on.wav", "--class-name", "music", *more)
    assert done.returncode == 0, done.stderr
    assert soundfile.info(tmp_path / "on.wav").frames == 16_000
    refused = python(EXAMPLE / "sample.py", tmp_path / "lm", "-o", tmp_path / "x.wav", "--class-name", "musik")
    assert refused.returncode == 1
    assert refused.stderr == "sample.py: class 'musik' is not one of 'music', 'speech'\n"
    refused = python(EXAMPLE / "sample.py", tmp_path / "lm", "-o", tmp_path / "on.wav")
    assert (
        refused.stderr == f"sample.py: {tmp_path / 'on.wav'}: is there already, and might be a recording; name another file\n"
    )
    assert soundfile.info(tmp_path / "on.wav").frames == 16_000
    vocabulary = tmp_path / "lm" / "vocabulary.json"
    vocabulary.write_text(json.dumps(json.loads(vocabulary.read_text()) | {"classes": [""]}))
    refused = python(EXAMPLE / "sample.py", tmp_path / "lm", "-o", tmp_path / "x.wav", "--class-name", "music")
    assert refused.stderr == "sample.py: class 'music': the recordings had no sub-folders, and so the model knows no classes\n"


def test_every_rate_and_level_is_measured(recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("accelerate")
    pytest.importorskip("transformers")
    small = ("--steps", 3, "--width", 32, "--layers", 1, "--batch", 1)
    work = tmp_path / "lm-levels.json.unfinished"
    (work / "100-4.json").mkdir(parents=True)  # stopped by a fault before the last level is kept
    stopped = python(EXAMPLE / "levels.py", recordings, "-o", tmp_path / "lm-levels.json", *small)
    assert stopped.returncode != 0
    assert not (tmp_path / "lm-levels.json").exists()
    (work / "100-4.json").rmdir()
    done = python(EXAMPLE / "levels.py", recordings, "-o", tmp_path / "lm-levels.json", *small)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('"step": 0,') == 1, "levels that were done are not learned again"
    assert not work.exists()
    found = json.loads((tmp_path / "lm-levels.json").read_text("utf-8"))
    assert (found["recordings"], found["held_out"], found["vocabulary"], found["steps"]) == (3, 1, 8192, 3)
    assert [level["stored"] for level in found["levels"]] == [162.5, 325, 325, 650, 1300]
    for level in found["levels"]:
        assert [point["step"] for point in level["curve"]] == [0, 1, 2, 3]
        frames = 12.5 if level["rate"] == 25 else 25
        for point in level["curve"]:
            assert point["bits_per_second"] == pytest.approx(frames * level["streams"] * point["bits_per_token"], rel=1e-2)
    monkeypatch.setattr(tables, "RESULTS", tmp_path)
    rows = [line.split(" | ") for line in tables.lm_levels().splitlines()[4:]]
    assert [row[3] for row in rows] == ["162.5", "325", "325", "650", "1300"]


def test_shards_of_four_streams_know_their_rate(shards: Path) -> None:
    rows = TokenDataset(shards, layout="interleave")
    assert {item["row"].rate for item in rows} == {100}
    assert all(len(item["row"].tokens().codebook_sizes) == 4 for item in rows)
