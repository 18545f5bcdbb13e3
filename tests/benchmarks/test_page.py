"""The measurement itself; what it finds depends on the machine."""

import json

import pytest

from benchmarks.page import CODECS
from codec.cli import main


def test_every_codec_is_timed_on_two_sounds(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["bench", "ui", "--json"])
    assert not caught.value.code
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["what"] for row in rows] == [f"{sound}: {name}" for sound in ("speech.flac", "music.ogg") for name in CODECS]
    assert all(row["value"] > 0 for row in rows)
