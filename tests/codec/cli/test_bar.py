"""The bar over files, drawn on a terminal of 80 columns."""

from __future__ import annotations

import importlib.util
import io
import re
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

import codec
from codec.cli.bar import AudioBar, lengths, seconds_of_audio, seconds_of_tokens
from codec.cli.models import show_models
from tests.conftest import DATA


def drawn(bar: AudioBar, stream: io.StringIO) -> str:
    """What stands on the terminal now."""
    stream.truncate(0)
    stream.seek(0)
    bar.progress.refresh()
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue()).strip()


def terminal() -> tuple[io.StringIO, Console]:
    stream = io.StringIO()
    return stream, Console(file=stream, width=80, force_terminal=True)


def test_one_long_file_shows_percent_speed_and_time_left() -> None:
    stream, console = terminal()
    bar = AudioBar("encoding", [3600.0], console)
    clock = iter(range(1000))
    bar.progress.get_time = lambda: float(next(clock))  # every look at the clock takes a second
    with bar.progress:
        assert "0%" in drawn(bar, stream)
        for _ in range(3):
            bar.hear(600)
        line = drawn(bar, stream)
    assert "50%" in line
    assert "30:00" in line
    assert re.search(r"\d+× real time", line)
    assert re.search(r"\d\d:\d\d$", line), "time left"
    assert max(map(len, line.splitlines())) <= 80


def test_files_are_counted_where_a_length_is_unknown() -> None:
    stream, console = terminal()
    bar = AudioBar("encoding", [10.0, None], console)
    with bar.progress:
        bar.hear(10)
        bar.finish_file()
        line = drawn(bar, stream)
    assert "50%" in line
    assert "1/2 files 0:10" in line


def test_lengths_are_those_of_the_files(tmp_path: Path) -> None:
    path = tmp_path / "x.sct"
    codec.save(codec.load().encode(np.zeros(24_000, np.float32), 16_000), path)
    assert seconds_of_tokens(str(path)) == 1.5
    assert seconds_of_audio(str(DATA / "music.flac")) == pytest.approx(5)
    (tmp_path / "no.sct").write_bytes(b"no container")
    assert [seconds_of_tokens(str(tmp_path / "no.sct")), seconds_of_audio("-"), seconds_of_audio(str(tmp_path))] == [None] * 3
    assert lengths(["x"] * 201, lambda file: 1.0) == [None] * 201


def test_models_can_be_copied_at_80_columns(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    show_models(json=False)
    told = capsys.readouterr().out.splitlines()
    assert max(map(len, told)) <= 80
    assert "  semcodec-2" in told
    commands = [line.strip() for line in told if line.strip().startswith(("codec ", "pip ", "apt-get "))]
    assert all(not command.endswith((",", ";", ":")) for command in commands)


def test_a_package_that_is_missing_is_a_command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    there = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "snac" else there(name, *rest))
    show_models(json=False)
    assert "      pip install 'semcodec[baselines]'\n" in capsys.readouterr().out
