"""What is there already: recordings are kept, results are not made twice, and settings do not mix."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest
import soundfile

from codec.audio.io import AUDIO_SUFFIXES
from codec.cli.plan import Job, plan
from codec.cli.resume import DONE, left_to_do
from codec.container.bitstream import read
from tests.faults import codec

Run = Callable[..., tuple[int, str, str]]


def record(path: Path, seconds: float = 0.5, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.random.default_rng(seed).standard_normal(int(seconds * 16_000)) * 0.1, 16_000)
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_recording_survives_the_way_there_and_back(run: Run, tmp_path: Path) -> None:
    before = record(tmp_path / "speech.wav").read_bytes()
    assert run("encode", tmp_path / "speech.wav")[0] == 0
    assert run("decode", tmp_path / "speech.sct")[0] == 0
    assert (tmp_path / "speech.wav").read_bytes() == before
    assert sorted(contents(tmp_path)) == ["speech.decoded.wav", "speech.sct", "speech.wav"]


def test_recordings_survive_in_folders(run: Run, tmp_path: Path) -> None:
    for name in ("one.wav", "deep/two.wav", "both.wav", "both.flac"):
        record(tmp_path / name)
    before = contents(tmp_path)
    assert run("encode", tmp_path)[0] == 0
    code, _, error = run("decode", tmp_path)
    assert code == 0
    assert "already done" not in error
    assert run("decode", tmp_path, "--overwrite")[0] == 0
    assert run("decode", tmp_path, "-o", tmp_path, "--overwrite")[0] == 0
    after = contents(tmp_path)
    assert {name: after[name] for name in before} == before
    decoded = {name for name in after if name.endswith(".wav")} - before.keys()
    assert decoded == {f"{name}.decoded.wav" for name in ("one", "deep/two", "both.wav", "both.flac")}
    # What was decoded is no recording: it is not encoded with the folder, and says so.
    code, _, error = run("encode", tmp_path)
    assert code == 0
    assert "4 decoded files" in error
    assert "4 already done" in error


@pytest.mark.parametrize("name", ["mine.wav", "mine.flac", "mine.ogg"])
def test_audio_that_is_there_is_replaced_only_when_asked(run: Run, tmp_path: Path, name: str) -> None:
    run("encode", record(tmp_path / "speech.wav"), "-o", tmp_path / "speech.sct")
    target = tmp_path / name
    soundfile.write(target, np.zeros(99), 16_000)
    before = target.read_bytes()
    code, _, error = run("decode", tmp_path / "speech.sct", "-o", target)
    assert (code, error.count("\n")) == (2, 1)
    assert f"{name}: is there already" in error
    assert "--overwrite" in error
    assert target.read_bytes() == before
    assert run("decode", tmp_path / "speech.sct", "-o", target, "--overwrite")[0] == 0
    assert soundfile.info(target).frames == 8_000


@pytest.mark.parametrize("format", ["sct", "npy", "jsonl"])
def test_what_is_no_token_file_is_replaced_only_when_asked(run: Run, tmp_path: Path, format: str) -> None:
    """``.sct``, ``.npy`` and ``.jsonl`` are suffixes of others, too."""
    source, target = record(tmp_path / "speech.wav"), tmp_path / f"speech.{format}"
    target.write_bytes(b'{"mine": 1}\n')
    for words in (["encode", source, "-o", target], ["encode", source], ["encode", tmp_path]):
        code, _, error = run(*words, "--format", format)
        assert code == 2
        assert "not a token file" in error
        assert target.read_bytes() == b'{"mine": 1}\n'
    assert run("encode", source, "-o", target, "--format", format, "--overwrite")[0] == 0
    assert run("encode", source, "-o", target, "--format", format)[0] == 0  # the codec's own may be made anew


def test_decoding_again_is_done_already_and_only_for_the_same_tokens(run: Run, tmp_path: Path) -> None:
    tokens, back = tmp_path / "speech.sct", tmp_path / "back.wav"
    run("encode", record(tmp_path / "speech.wav"), "-o", tokens)
    assert run("decode", tokens, "-o", back)[0] == 0
    before = back.stat().st_mtime_ns
    assert "1 already done" in run("decode", tokens, "-o", back)[2]
    assert back.stat().st_mtime_ns == before
    assert run("decode", tokens, "-o", back, "--sample-rate", 8_000)[0] == 2
    run("encode", tmp_path / "speech.wav", "-o", tokens, "--rate", 25)
    code, _, error = run("decode", tokens, "-o", back)
    assert code == 2
    assert "not decoded from these tokens" in error
    assert run("decode", tokens, "-o", back, "--overwrite")[0] == 0
    assert run("decode", tokens, "-o", back)[0] == 0


@pytest.mark.parametrize("format", ["sct", "npy", "jsonl"])
@pytest.mark.parametrize(
    ("words", "difference"),
    [
        (["--rate", 25], "at 50 tokens/s, not 25"),
        (["--vocab", 64], "with vocabulary 32, not 64"),
        (["--semantic-only"], "with acoustic tokens"),
        (["--model", "other"], "made by model"),
    ],
)
def test_settings_do_not_mix(
    run: Run, other_folder: Path, tmp_path: Path, format: str, words: list[object], difference: str
) -> None:
    """One line, before anything is made; the same settings resume."""
    source, target = tmp_path / "in", tmp_path / "out"
    for name in ("a.wav", "b.wav"):
        record(source / name)
    words = [other_folder if word == "other" else word for word in words]
    first = ["encode", source, "-o", target, "--format", format]
    assert run(*first, "--vocab", 32)[0] == 0
    record(source / "c.wav")
    before = contents(target)
    other = first + words + ([] if "--vocab" in words else ["--vocab", 32])
    code, _, error = run(*other)
    assert (code, error.count("\n")) == (2, 1)
    assert difference in error
    assert "a." in error
    assert "1 more" in error
    assert contents(target) == before
    assert "2 already done" in run(*first, "--vocab", 32)[2]
    assert run(*other, "--overwrite")[0] == 0
    assert "3 already done" in run(*other)[2]


def test_entropy_coding_does_not_mix(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from codec.cli import main

    record(tmp_path / "in" / "a.wav")
    for words, expected in (([], 0), (["--entropy"], 2), (["--entropy", "--overwrite"], 0), ([], 2), (["--entropy"], 0)):
        with pytest.raises(SystemExit) as caught:
            main(["encode", str(tmp_path / "in"), "-o", str(tmp_path / "out"), *words])
        assert int(caught.value.code or 0) == expected
    error = capsys.readouterr().err
    assert "without entropy coding" in error
    assert "with entropy coding" in error


def test_a_recording_that_changed_is_encoded_anew(run: Run, tmp_path: Path) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    record(source / "a.wav"), record(source / "b.wav")
    run("encode", source, "-o", target)
    record(source / "a.wav", seconds=1)
    later = (target / "a.sct").stat().st_mtime_ns + 10**9
    os.utime(source / "a.wav", ns=(later, later))
    assert "1 already done" in run("encode", source, "-o", target)[2]
    assert read(target / "a.sct").lengths.tolist() == [16_000]


def test_arrays_tell_what_they_are(run: Run, tmp_path: Path) -> None:
    """Rate, vocabulary, length: what an array has no place for lies beside it."""
    run("encode", record(tmp_path / "a.wav"), "--format", "npy", "--vocab", 64)
    run("encode", tmp_path / "a.wav", "--vocab", 64)
    facts = json.loads((tmp_path / "a.npy.json").read_text())
    tokens = read(tmp_path / "a.sct")
    assert (facts["samples"], facts["sample_rate"], facts["frame_rate"]) == (8_000, 16_000, 25)
    assert (tuple(facts["codebook_sizes"]), facts["model"]) == (tokens.codebook_sizes, tokens.model)


@pytest.mark.parametrize("facts", ["[]", "{}", '{"codebook_sizes": 3}', "NaN", "no JSON"])
def test_arrays_of_others_are_kept(run: Run, tmp_path: Path, facts: str) -> None:
    whole = {"samples": 1, "sample_rate": 2, "frame_rate": "x", "codebook_sizes": [3], "model": None}
    record(tmp_path / "a.wav")
    (tmp_path / "a.npy").write_bytes(b"mine")
    for text in (facts, json.dumps(whole), json.dumps(whole | {"codebook_sizes": 3})):
        (tmp_path / "a.npy.json").write_text(text)
        assert "not a token file" in run("encode", tmp_path, "--format", "npy")[2]
    assert (tmp_path / "a.npy").read_bytes() == b"mine"


def test_what_stands_where_facts_go_is_kept(run: Run, tmp_path: Path) -> None:
    record(tmp_path / "a.wav")
    (tmp_path / "a.npy.json").write_text("mine")
    for words in ([tmp_path], [tmp_path / "a.wav"], [tmp_path / "a.wav", "-o", tmp_path / "a.npy"]):
        code, _, error = run("encode", *words, "--format", "npy")
        assert (code, "its facts would go to a.npy.json, which is there already" in error) == (2, True)
    assert (tmp_path / "a.npy.json").read_text() == "mine"
    assert not (tmp_path / "a.npy").exists()
    assert run("encode", tmp_path / "a.wav", "--format", "npy", "--overwrite")[0] == 0
    (tmp_path / "a.npy").unlink()
    assert run("encode", tmp_path / "a.wav", "--format", "npy")[0] == 0, "facts of ours may be replaced"


def test_outputs_are_looked_at_once_and_sources_never(tmp_path: Path) -> None:
    """A hundred thousand files: no work that grows with their square."""
    jobs = [Job(f"in/{number}.wav", str(tmp_path / f"{number}.sct"), resumable=True) for number in range(200)]
    (tmp_path / "7.sct").touch()
    looked: list[str] = []

    def look(job: Job) -> str:
        looked.append(job.source)
        return DONE

    assert len(left_to_do(jobs, False, look)) == 199
    assert looked == ["in/7.wav"]


def test_planning_is_linear(tmp_path: Path) -> None:
    """Counted, not timed: lines of Python that run for one file more do not become more with the number of files."""

    def lines(count: int) -> int:
        folder = tmp_path / f"{count}"
        folder.mkdir()
        for number in range(count):
            (folder / f"{number:04d}.wav").touch()
        ran = 0

        def trace(frame: FrameType, event: str, argument: object) -> Any:
            nonlocal ran
            ran += event == "line"
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            assert len(plan([str(folder)], str(tmp_path / "out"), AUDIO_SUFFIXES, ".sct")) == count
        finally:
            sys.settrace(before)
        return ran

    assert lines(800) < 8.8 * lines(100)


def test_names_that_are_no_text(tiny_folder: Path, tmp_path: Path) -> None:
    """Bytes that are not UTF-8, as old archives have them: encoded, decoded and reported like any other."""
    odd = os.fsdecode(b"caf\xe9")

    def run(*words: object) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(codec(*words, "--model", tiny_folder), cwd=tmp_path, capture_output=True)

    record(tmp_path / "in" / "z.wav")
    try:
        shutil.copy(tmp_path / "in" / "z.wav", tmp_path / "in" / f"{odd}.wav")
    except OSError:
        pytest.skip("names must be UTF-8 here")
    (tmp_path / "in" / f"{odd}bad.wav").write_text("no audio")
    done = run("encode", "in", "-o", "out")
    assert done.returncode == 2
    assert b"1 of 3 files failed" in done.stderr
    assert b"caf\xe9bad.wav" in done.stderr
    assert b"Traceback" not in done.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted([f"{odd}.sct", "z.sct"])
    assert run("decode", "out", "-o", "back").returncode == 0
    assert (tmp_path / "back" / f"{odd}.decoded.wav").exists()
    reports = run("encode", "in", "-o", "out", "--json", "--overwrite").stdout.splitlines()
    assert {json.loads(line)["input"] for line in reports} == {f"in/{odd}.wav", "in/z.wav"}


def test_other_models_are_named_with_their_file(run: Run, other_folder: Path, tmp_path: Path) -> None:
    record(tmp_path / "in" / "a.wav"), record(tmp_path / "b.wav")
    run("encode", tmp_path / "in", "-o", tmp_path / "out")
    run("encode", tmp_path / "b.wav", "-o", tmp_path / "out" / "strange.sct", "--model", other_folder)
    code, _, error = run("decode", tmp_path / "out", "-o", tmp_path / "back")
    assert code == 2
    assert "strange.sct: these tokens were made by model" in error
    assert "1 of 2 files failed" in error
