"""``codec decode --from --to``, ``codec cut`` and ``codec cat``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from codec.audio.io import read_audio
from codec.container.bitstream import read, save
from codec.model import Codec
from tests.conftest import DATA


@pytest.fixture
def file(tiny: Codec, tmp_path: Path) -> Path:
    """50 s, of which windows of 20.48 s and chunks of 10.24 s are parts."""
    wave, rate = read_audio(DATA / "music.flac")
    save(tiny.encode(np.concatenate([wave] * 10, 1)[:, : 50 * rate], rate), tmp_path / "x.sct")
    return tmp_path / "x.sct"


def samples(path: Path) -> np.ndarray:
    return soundfile.read(path, dtype="int16")[0]


@pytest.mark.parametrize("sample_rate", [44_100, 16_000, 11_025])
def test_a_part_has_the_samples_of_the_whole(run, file: Path, tmp_path: Path, sample_rate: int) -> None:
    assert run("decode", file, "-o", tmp_path / "whole.wav", "--sample-rate", sample_rate)[0] == 0
    whole = samples(tmp_path / "whole.wav")
    for start, stop in (("30", "35"), ("0:21.0137", "23"), (None, "0.5"), ("48.9", None), ("49", "1:00:00")):
        words = [*(["--from", start] if start else []), *(["--to", stop] if stop else [])]
        assert run("decode", file, "-o", tmp_path / "part.wav", "--sample-rate", sample_rate, "--overwrite", *words)[0] == 0
        first, last = (float((time or "0").split(":")[-1]) if time != "1:00:00" else 60 for time in (start, stop or "50"))
        np.testing.assert_array_equal(
            samples(tmp_path / "part.wav"), whole[round(first * sample_rate) : round(last * sample_rate)]
        )


def test_a_quick_part_is_what_its_tokens_give(run, tiny: Codec, file: Path, tmp_path: Path) -> None:
    code, _, error = run(
        "decode", file, "-o", tmp_path / "part.wav", "--from", 30, "--to", 35, "--quick", "--sample-rate", 16_000
    )
    assert code == 0, error
    expected = tiny.decode(read(file, 30, 35)).numpy().T
    found = soundfile.read(tmp_path / "part.wav", dtype="float32")[0]
    np.testing.assert_allclose(found, expected, atol=1e-4)  # 16 bits
    assert run("decode", file, "-o", tmp_path / "end.wav", "--from", 49, "--quick")[0] == 0
    assert soundfile.info(tmp_path / "end.wav").frames == 44_100


def test_a_part_is_not_mistaken_for_the_whole(run, file: Path, tmp_path: Path) -> None:
    words = ["decode", file, "-o", tmp_path / "x.wav"]
    assert run(*words, "--from", 1, "--to", 2)[0] == 0
    assert "already done" in run(*words, "--from", 1, "--to", 2)[2]
    assert "was not decoded from these tokens in this way" in run(*words)[2]
    assert run(*words, "--from", 1, "--to", 3)[0] == 2
    assert "was not decoded from these tokens in this way" in run(*words, "--from", 1, "--to", 2, "--quick")[2]


def test_cut_and_cat_give_back_the_whole(run, file: Path, tmp_path: Path) -> None:
    assert run("cut", file, "-o", tmp_path / "a.sct", "--to", "12.34")[0] == 0
    code, shown, _ = run("cut", file, "-o", tmp_path / "b.sct", "--from", "12.34")
    assert (code, shown.split(": ")[1]) == (0, "37.64 s, 50 tokens/s, 0.90 kbps\n")
    assert run("cat", tmp_path / "a.sct", tmp_path / "b.sct", "-o", tmp_path / "c.sct")[0] == 0
    assert (tmp_path / "c.sct").read_bytes() == file.read_bytes()
    assert read(tmp_path / "a.sct") == read(file).slice(0, 12.34)


def test_pipes_are_refused_and_no_file_is_called_a_dash(
    run, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for words in (
        ["cut", file, "-o", "-", "--to", 1],
        ["cut", "-", "-o", "y.sct", "--to", 1],
        ["cat", file, "-", "-o", "y.sct"],
    ):
        code, _, error = run(*words)
        assert (code, "files, not pipes" in error) == (2, True)
    assert not (tmp_path / "-").exists()


def test_parts_of_entropy_coded_files_are_entropy_coded(shipped: Codec, speech: np.ndarray, run, tmp_path: Path) -> None:
    tokens = shipped.encode(np.tile(speech, 4), 16_000, 100)
    save(tokens, tmp_path / "x.sct", shipped.entropy)
    assert run("cut", tmp_path / "x.sct", "-o", tmp_path / "y.sct", "--from", 5, "--rate", 50)[0] == 0
    assert "entropy coded      True" in run("info", tmp_path / "y.sct")[1]
    assert (read(tmp_path / "y.sct").codes == tokens.slice(5).codes[:, :2]).all()


def test_what_cannot_be_done_is_one_line(check_failure, run, file: Path, tiny: Codec, tmp_path: Path) -> None:
    save(tiny.encode(np.zeros(16_000), 16_000), tmp_path / "other.sct")
    (tmp_path / "no.sct").write_bytes(b"RIFF" * 9)
    out = tmp_path / "out.wav"
    for words, message in (
        (["decode", file, "-o", out, "--from", "60"], "there is nothing from 60 s on; it ends at 50.00 s"),
        (["decode", file, "-o", out, "--from", "60", "--quick"], "there is nothing from 60 s on; it ends at 50.00 s"),
        (["decode", file, "-o", out, "--from", "3", "--to", "2"], "in their order"),
        (["decode", file, "-o", out, "--from", "soon"], "soon is no time; seconds are"),
        (["decode", file, "-o", out, "--quick"], "--quick goes with --from"),
        (["decode", "-", "-o", "-", "--stream", "--from", "3"], "not for --stream"),
        (["cut", file, "-o", tmp_path / "y.sct"], "say what stays"),
        (["cut", file, "-o", tmp_path / "y.sct", "--from", "1:00"], "there is nothing from 60 s on"),
        (["cut", tmp_path / "no.sct", "-o", tmp_path / "y.sct", "--to", "1"], "not a .sct file"),
        (["cat", file, tmp_path / "other.sct", "-o", tmp_path / "y.sct"], "different sample_rate cannot be joined"),
        (["cat", file, file, "-o", file, "--overwrite"], "never the input"),
    ):
        assert message in check_failure(tmp_path, *words)
