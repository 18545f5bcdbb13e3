"""Audio that is not whole: encoded with a word and exit code 1, or refused; on every way in."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from codec.cli.main import main
from tests.conftest import DATA


@pytest.fixture
def cut(tmp_path: Path) -> Path:
    """Half of a recording."""
    wave, rate = soundfile.read(DATA / "speech.flac", frames=32_000)
    soundfile.write(tmp_path / "whole.wav", wave, rate)
    data = (tmp_path / "whole.wav").read_bytes()
    (tmp_path / "whole.wav").unlink()
    path = tmp_path / "cut.wav"
    path.write_bytes(data[: len(data) // 2])
    return path


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        main([*map(str, arguments)])
    assert isinstance(caught.value.code, int)
    return caught.value.code


def test_exit_code_1_and_what_is_missing(cut: Path, tiny_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("encode", cut, "-m", tiny_folder) == 1
    assert "cut.wav: cut short: " in capsys.readouterr().err
    assert cut.with_suffix(".sct").is_file()
    assert run("encode", cut, "-m", tiny_folder, "--json", "--overwrite") == 1
    report = json.loads(capsys.readouterr().out)
    assert report["warnings"] == ["cut short: 32022 of 64000 bytes of audio are missing at the end"]
    assert report["seconds"] == pytest.approx(1.0, abs=0.01)


def test_strict_refuses_it(cut: Path, tiny_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("encode", cut, "-m", tiny_folder, "--strict") == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not cut.with_suffix(".sct").exists()


def test_in_a_folder_the_others_are_whole(cut: Path, tiny_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    soundfile.write(cut.with_name("good.wav"), np.zeros(8_000), 16_000)
    assert run("encode", cut.parent, "-m", tiny_folder) == 1
    assert {path.name for path in cut.parent.glob("*.sct")} == {"cut.sct", "good.sct"}
    for path in cut.parent.glob("*.sct"):
        path.unlink()
    assert run("encode", cut.parent, "-m", tiny_folder, "--strict") == 2
    assert {path.name for path in cut.parent.glob("*.sct")} == {"good.sct"}
    assert "cut.wav: cut short: " in capsys.readouterr().err


@pytest.mark.parametrize("stream", [False, True])
def test_from_a_pipe(
    cut: Path, tiny_folder: Path, stream: bool, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    class Pipe:
        buffer = io.BytesIO(cut.read_bytes())

    monkeypatch.setattr(sys, "stdin", Pipe)
    options = ["--stream"] if stream else ["-o", cut.with_suffix(".sct")]
    assert run("encode", "-", "-m", tiny_folder, *options) == 1
    assert b"cut short: " in capfdbinary.readouterr().err


def test_info_tells_it(cut: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("info", cut, "--json") == 0
    assert json.loads(capsys.readouterr().out)["missing"] == ["cut short: 32022 of 64000 bytes of audio are missing at the end"]


def test_a_folder_run_counts_what_it_leaves_out(tmp_path: Path, tiny_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus, other = tmp_path / "corpus", tmp_path / "other"
    for folder in (corpus, other):
        folder.mkdir()
        soundfile.write(folder / "a.wav", np.random.default_rng(0).standard_normal(8_000) * 0.1, 16_000)
    (corpus / "linked").symlink_to(other)
    for name in ("a.txt", "b.TXT", "c.xyz", "README", ".hidden.txt"):
        (corpus / name).touch()
    told = "files of other kinds are left out: 4 (2 .txt, 1 without a suffix, 1 .xyz); linked folders are not entered: 1"
    assert run("tokenize", corpus, "-o", tmp_path / "out", "-m", tiny_folder, "--workers", 0) == 0
    assert told in capsys.readouterr().err
    assert run("encode", corpus, "-m", tiny_folder) == 0
    assert told in capsys.readouterr().err


def test_tokenize_makes_no_tokens_of_it(cut: Path, tiny_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its labels would not fit."""
    soundfile.write(cut.with_name("good.wav"), np.random.default_rng(0).standard_normal(8_000) * 0.1, 16_000)
    output = cut.parent.with_name("tokens")
    assert run("tokenize", cut.parent, "-o", output, "-m", tiny_folder, "--workers", 0) == 1
    assert "cut (cut.wav): cut.wav: cut short: " in capsys.readouterr().err
