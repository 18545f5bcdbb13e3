"""Two real processes; what is asserted holds on any machine: nothing is heard before it can be known."""

import json
from pathlib import Path

import pytest

from benchmarks.latency import declared_latency
from codec.cli import main
from codec.model import Codec


def test_nothing_is_heard_earlier_than_it_can_be(tiny: Codec, tiny_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["bench", "latency", "--model", str(tiny_folder), "--seconds", "3", "--json"])
    assert not caught.value.code
    median, most, latest = (json.loads(line)["value"] for line in capsys.readouterr().out.splitlines())
    # A window's last sample is the first to be known: a window earlier than declared, which is its first one's time.
    assert 1000 * declared_latency(tiny) - 80 < median <= most <= latest


def test_no_such_model_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["bench", "latency", "--model", str(tmp_path / "none")])
    assert caught.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
