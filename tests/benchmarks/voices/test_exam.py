"""The exam: material is made once, identity keeps every tone and a vocoder does not, what is missing is one line."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmarks.voices import __main__ as exam
from benchmarks.voices import material
from benchmarks.voices.material import Material
from benchmarks.voices.report import figures, table, tone_table
from benchmarks.voices.tones import SAMPLE_RATE, tone_clips
from codec.audio.io import read_audio
from codec.data.speech.plan import Line
from codec.data.testsets import clips_of
from codec.data.testsets.clip import Clip
from codec.errors import CodecError
from eval.reconstruction.provenance import Provenance
from eval.reconstruction.results import CodecInfo, MetricInfo, Results, Row
from eval.reconstruction.tones import Tones


@pytest.fixture
def spoken(tmp_path: Path, speech: np.ndarray) -> Clip:
    soundfile.write(tmp_path / "speech.flac", speech[0], 16_000)
    return Clip("someone/0", str(tmp_path / "speech.flac"), "speech", "someone", text="At their desk.", language="en")


def test_tones_say_what_sounds_in_them(tmp_path: Path, spoken: Clip) -> None:
    clips = tone_clips(tmp_path, [spoken])
    assert len({clip.name for clip in clips}) == len(clips) == 23
    for clip in clips:
        wave, rate = clip.load()
        assert rate == SAMPLE_RATE
        assert np.abs(wave).max() <= 1
        Tones.parse(clip.text or "")
    beep = next(clip for clip in clips if "beep" in clip.name)
    difference = beep.load()[0] - spoken.load()[0]
    assert np.flatnonzero(np.abs(difference) > 0.01).min() == pytest.approx(0.8 * SAMPLE_RATE, abs=80)


def test_identity_keeps_all_tones_and_a_codec_for_speech_does_not(
    tmp_path: Path, spoken: Clip, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    few = [clip for clip in tone_clips(tmp_path, [spoken]) if clip.name in ("tone/sine-440", "tone/dtmf-5", "tone/beep-500")]
    monkeypatch.setattr(exam, "prepare", lambda *_: Material([], [], few, [], []))
    exam.main(["original", "codec2@700C"], "pocketsphinx", tmp_path, None, tmp_path, "tones,music", 0, 4, tmp_path / "cache")
    shown = capsys.readouterr().out
    assert "| original | 3 of 3 | 0.0 | 0.0 | 0.0 |" in shown
    assert "| codec2@700C | 3 of 3" not in shown
    rows = json.loads((tmp_path / "voices.json").read_text())
    assert [(row["codec"], row["group"], row["clips"]) for row in rows] == [
        ("original", "tones", 3),
        ("codec2@700C", "tones", 3),
    ]
    assert rows[0]["means"]["added_lines"]["value"] == 0
    assert (tmp_path / "voices.md").read_text().strip() == shown.strip()


def results(rows: list[Row]) -> Results:
    names = dict.fromkeys(row.codec for row in rows)
    infos = tuple(CodecInfo(name, "1", 16_000, 1400.0) for name in names)
    metrics = (MetricInfo("stoi", "", True), MetricInfo("dwer", "%", False, ratio=("dwer_errors", "dwer_words")))
    return Results(tuple(rows), infos, metrics, {}, {}, Provenance("", None, {}, "", "", 1, 0, 0, {}, "", 2, "", ""))


def test_rates_are_sums_and_what_was_trained_on_is_marked() -> None:
    def row(codec: str, clip: str, errors: int, words: int) -> Row:
        values = {"voicing_error": 0.5, "dwer": 100 * errors / words, "dwer_errors": errors, "dwer_words": words}
        return Row(codec, "1", clip, clip, "speech", 2.0, bits=2800, values=values)

    failed = Row("opus@6", "1", "b", "b", "speech", 2.0, error="broken")
    rows = [
        row("semcodec@100", "a", 1, 2),
        row("semcodec@100", "b", 0, 8),
        row("opus@6", "a", 0, 2),
        failed,
    ]
    found = figures("voices", results(rows), ["voicing_error", "dwer"])
    lines = table(found, ["voicing_error", "dwer"]).splitlines()
    assert lines[2:] == [
        "| semcodec@100 | 1.40 | 0.5%† | 10.0% |",
        "| opus@6 (1 of 2 clips failed) | 1.40 | 0.5% | **0.0%** |",
    ]
    assert "| 10.0%† |" in table(found, ["voicing_error", "dwer"], "faster-whisper:base").splitlines()[2]


def test_tones_that_failed_do_not_count_as_kept() -> None:
    good = Row("x", "1", "tone/a", "", "sound", 1, values={"tone_level": -1, "tone_frequency": 0.1, "added_lines": 0})
    low = Row("x", "1", "tone/b", "", "sound", 1, values={"tone_level": -7, "tone_frequency": 0.1, "added_lines": 3})
    flat = Row("x", "1", "tone/c", "", "sound", 1, values={"tone_level": 0, "tone_frequency": 1.5, "added_lines": 3})
    assert "| x | 1 of 3 | -1.0 | -7.0 | 1.5 | 3.0 | b, c |" in tone_table([good, low, flat], ["x", "absent"])


def test_held_out_voices_say_held_out_sentences_once(tmp_path: Path, spoken: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    def plan(packages: Path) -> list[Line]:
        voices = [voice for voice in material.HELD_OUT_VOICES if material.language_of(voice) in material.LANGUAGES]
        texts = [f"sentence number {i} is spoken by somebody else" for i in range(5)]
        return [Line(text, "en-us", "quotation", {voice: 1.0}, 1.0, "test") for text in texts for voice in voices] * 2

    monkeypatch.setattr(material, "lines", lambda packages: iter(plan(packages)))
    monkeypatch.setattr(material, "clip_of", lambda packages, line: spoken)
    clips = list(islice(material._kokoro(tmp_path, tmp_path), 100))
    assert len(clips) == 7 * material.PER_VOICE
    assert len({(clip.source, clip.text) for clip in clips}) == len(clips)
    wave, _ = read_audio(clips[0].path)
    assert np.sqrt(np.mean(wave**2)) == pytest.approx(material.LEVEL, rel=0.01)
    room = material._in_room(clips[0], tmp_path, 3)
    assert (room.text, room.name) == (clips[0].text, f"room/{clips[0].name}")
    assert not np.array_equal(read_audio(room.path)[0], wave)


@pytest.mark.parametrize(
    ("groups", "error", "message"),
    [("voices,tunes", None, "no group tunes; known are voices"), ("voices", CodecError("npm is\nmissing"), "npm is missing")],
)
def test_what_is_missing_is_one_line(
    groups: str,
    error: CodecError | None,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object) -> Material:
        assert error
        raise error

    monkeypatch.setattr(exam, "prepare", fail)
    with pytest.raises(SystemExit) as stopped:
        exam.main(["original"], "pocketsphinx", tmp_path, None, tmp_path, groups, 0, 4, None)
    assert stopped.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"benchmarks.voices: {message}")


def test_what_was_prepared_can_be_heard_by_other_commands(
    tmp_path: Path, spoken: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    here = replace(spoken, path=Path(spoken.path).name)  # as seen from the current folder
    (tmp_path / "clips").mkdir()
    material.write_manifests(Material([here], [replace(here, name="room/0")], [], [], []), tmp_path / "clips")
    voices, rooms = (clips_of(str(tmp_path / "clips" / f"{name}.jsonl")) for name in ("exam", "rooms"))
    assert [clip.name for clip in (*voices, *rooms)] == ["someone/0", "room/0"]
    assert np.array_equal(voices[0].load()[0], spoken.load()[0])
