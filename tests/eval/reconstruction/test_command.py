"""``codec eval reconstruct``, ``codec eval versa`` and ``codec sweep``, as they are called."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from rich.console import Console

from benchmarks.sweep.tables import build_differences, markdown
from codec.cli.main import main
from eval.reconstruction.cache import Cache
from eval.reconstruction.command import recogniser_name
from eval.reconstruction.compact import print_compact
from eval.reconstruction.original import Original
from eval.reconstruction.results import read_results
from eval.reconstruction.runner import run
from eval.reconstruction.show import as_text, number
from eval.reconstruction.summary import summarise
from tests.eval.reconstruction.doubles import SETUP, Tone


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as error:
        main(list(arguments))
    return int(error.value.code or 0)


@pytest.fixture
def folder(tmp_path: Path, speech: np.ndarray) -> Path:
    data = tmp_path / "data"
    data.mkdir()
    soundfile.write(data / "a.wav", speech[0, :24_000], 16_000)
    return data


def options(folder: Path, *more: str) -> list[str]:
    return ["--data", str(folder), "-o", str(folder.parent / "out"), "--cache", str(folder.parent / "cache"), *more]


def assert_one_problem(err: str, message: str) -> None:
    """The last line names it; before it, a sweep says what it is doing."""
    *before, last = err.splitlines()
    assert message in last
    assert all(line.endswith("…") for line in before)


def test_reconstruct_writes_and_says_what_it_measured(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chosen = options(folder, "--metrics", "mel_distance,wer", "--workers", "1", "--reference", "original", "--json")
    chosen += ["--device", "auto"]
    assert call("eval", "reconstruct", "--codecs", "original,semcodec@50,vocab=4096", *chosen) == 1, "wer has no transcript"
    out, err = capsys.readouterr()
    original, ours = (json.loads(line) for line in out.splitlines())
    assert original["scores"]["mel_distance"]["mean"]["value"] == pytest.approx(0, abs=1e-6)
    assert ours["codec"] == "semcodec@50,vocab=4096"
    assert ours["kbps"] == pytest.approx(0.625, rel=0.05)
    assert ours["scores"]["mel_distance"]["difference"]["value"] > 0
    assert [stream["codebook_size"] for stream in ours["streams"]] == [4096, 8192]
    assert all(0 < stream["entropy"] <= 12 and 0 < stream["used"] < 0.1 for stream in ours["streams"])
    assert original["streams"] == []
    assert err.startswith("1 clips, 2 codecs; opening them and measuring their delays …\n"), "a log sees at once what is done"
    assert "wer has no value on clip a.wav of 2 codecs: " in err
    results = read_results(folder.parent / "out")
    assert results.provenance.data == f"{folder.parent.name}/data", "not where this machine keeps it"
    assert [row.codec for row in results.rows] == ["original", "semcodec@50,vocab=4096"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--codecs", "original", "--metrics", "loudness"], "no metric loudness"),
        (["--codecs", "original", "--reference", "opus@6"], "the reference opus@6 is not among the codecs"),
        (["--codecs", ""], "is empty"),
    ],
)
@pytest.mark.parametrize("command", [("eval", "reconstruct"), ("sweep",)])
def test_impossible_requests_are_one_line(
    command: tuple[str, ...], arguments: list[str], message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(*command, *options(folder), *arguments) == 2
    err = capsys.readouterr().err
    assert_one_problem(err, message)
    assert not (folder.parent / "out").exists()


@pytest.mark.parametrize("command", [("eval", "reconstruct"), ("sweep",)])
@pytest.mark.parametrize("option", ["-o", "--cache"])
def test_a_file_where_a_folder_belongs_is_one_line(
    command: tuple[str, ...], option: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder.parent / "file").touch()
    wrong = [option, str(folder.parent / "file" / "below")]
    assert call(*command, *options(folder), "--codecs", "original", "--metrics", "mel_distance", *wrong) == 2
    err = capsys.readouterr().err
    assert_one_problem(err, "file is not a folder that can be written to")


def test_bad_clips_and_missing_programs_are_named_and_the_exit_code_says_so(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(folder))
    tone = np.sin(0.05 * np.arange(24_000))
    for name, wave, rate in (
        ("silent", 0 * tone, 16_000),
        ("short", tone[:800], 16_000),
        ("clipped", np.clip(8 * tone, -1, 1), 16_000),
        ("stereo", np.stack([tone, 0 * tone], 1), 22_050),
    ):
        soundfile.write(folder / f"{name}.wav", wave, rate)
    (folder / "broken.wav").write_bytes(b"RIFF")
    chosen = options(folder, "--metrics", "mel_distance,stoi,delay,wer", "--workers", "1", "--json")
    assert call("eval", "reconstruct", "--codecs", "original,semcodec@25,opus@6", *chosen) == 1
    out, err = capsys.readouterr()
    for line in (
        "opus@6 was not run: the program opusenc is not installed: apt-get install opus-tools",
        "broken.wav cannot be read: ",
        "mel_distance has no value on clip short.wav of 2 codecs: 0.050 s are less than half a window",
        "stoi has no value on clip silent.wav of 2 codecs: the reference is silent",
        "wer has no value on 5 clips (a.wav, …) of 2 codecs: no transcript",
    ):
        assert line in err
    original, ours = (json.loads(line) for line in out.splitlines())
    assert (original["clips"], original["failed"], ours["failed"]) == (5, 0, 0)
    assert original["scores"]["mel_distance"]["mean"]["clips"] == 4
    assert original["scores"]["stoi"]["mean"]["value"] == pytest.approx(1)


@pytest.mark.parametrize("command", [("eval", "reconstruct"), ("sweep",)])
def test_a_metric_that_fails_is_told_by_the_exit_code_and_one_for_another_domain_is_not_asked(
    command: tuple[str, ...], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "music").mkdir()
    (folder / "a.wav").rename(folder / "music" / "a.wav")
    chosen = ["--codecs", "original", *options(folder, "--metrics", "si_sdr,wer", "--workers", "1")]
    assert call(*command, *chosen) == 0, "word error rates are not for music"
    assert "has no value" not in capsys.readouterr().err
    soundfile.write(folder / "music" / "silent.wav", np.zeros(16_000), 16_000)
    assert call(*command, *chosen) == 1
    assert "si_sdr has no value on clip music/silent.wav of original: the reference is silent" in capsys.readouterr().err
    rows = read_results(folder.parent / "out").rows
    assert [row.values.get("si_sdr") for row in rows] == [100, None], "the rest is measured and written"


@pytest.mark.parametrize("command", [("eval", "reconstruct"), ("sweep",)])
def test_where_nothing_was_measured_earlier_results_stay(
    command: tuple[str, ...], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = options(folder, "--metrics", "mel_distance", "--workers", "1")
    assert call("eval", "reconstruct", "--codecs", "original", *chosen) == 0
    capsys.readouterr()
    assert call(*command, "--codecs", "nosuch@3", *chosen) == 2
    assert_one_problem(capsys.readouterr().err, "nothing was measured: nosuch@3: ")
    (folder / "a.wav").write_bytes(b"RIFF")
    assert call(*command, "--codecs", "original", *chosen) == 2
    assert_one_problem(capsys.readouterr().err, "nothing was measured: a.wav: ")
    assert len(read_results(folder.parent / "out").rows) == 1


def test_a_terminal_gets_one_table_and_a_file_the_rest(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chosen = options(folder, "--metrics", "mel_distance,stoi,si_sdr", "--workers", "1", "--reference", "original")
    assert call("eval", "reconstruct", "--codecs", "original,semcodec@50,semcodec@25", *chosen) == 0
    lines = capsys.readouterr().out.rstrip().splitlines()
    path = folder.parent / "out" / "tables.txt"
    assert len(lines) < 12, "a line a codec"
    assert "".join(lines).endswith(f"all figures, with intervals: {path}")
    assert "codec minus original on the same clips" in path.read_text()


def test_versa(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--codec", "semcodec@25", "--data", str(folder), "-o", str(folder.parent / "versa")]
    assert call("eval", "versa", *arguments) == 0
    assert "1 pairs" in capsys.readouterr().out
    assert (folder.parent / "versa" / "pred.scp").read_text().startswith("00000-a.wav ")


def test_original_is_its_own_copy(speech: np.ndarray) -> None:
    original = Original()
    encoded = original.encode(speech[0], 16_000)
    assert np.array_equal(original.decode(encoded), speech[0])
    assert encoded.bitrate == 256_000


def test_recogniser_names_hold_no_path(tmp_path: Path) -> None:
    (tmp_path / "whisper").mkdir()
    (tmp_path / "whisper" / "model.bin").write_bytes(b"abc")
    name = recogniser_name(f"faster-whisper:{tmp_path / 'whisper'}")
    assert name.startswith("faster-whisper:whisper ")
    assert str(tmp_path) not in name
    for other in (b"abcd", b"abd"):  # the last is as long as the first
        (tmp_path / "whisper" / "model.bin").write_bytes(other)
        assert recogniser_name(f"faster-whisper:{tmp_path / 'whisper'}") != name
    assert [recogniser_name(n) for n in ("pocketsphinx", "transformers:a/b")] == ["pocketsphinx", "transformers:a/b"]


def test_all_tables_as_text(tmp_path: Path) -> None:
    clips = [Tone("clip0", text="x"), Tone("clip1"), Tone("drum", "sound")]
    results = run(["bits@4", "bits@8", "tokens"], clips, SETUP, Cache(tmp_path), workers=0)
    out = as_text(results, summarise(results, "bits@8"), "bits@8")
    shown = (
        "speech, 2 clips",
        "sound, 1 clips",
        "25.0%",
        "1 failed",
        "bits@4",
        "codec minus bits@8",
        "50.0% 12.5%",
        "1.00 0.000",
    )
    for text in shown:
        assert text in out
    assert number(-0.5) == "-0.500"


def test_what_a_codec_was_trained_with_is_marked_in_every_table_and_never_the_best(tmp_path: Path) -> None:
    """Ours was distilled from Whisper: what Whisper hears of it is no evidence, in whole figures or in differences."""
    clips = [Tone("clip0", text="x"), Tone("clip1", text="y")]
    setup = replace(SETUP, settings={"asr": "faster-whisper:base"})
    results = run(["semcodec@4", "bits@8"], clips, setup, Cache(tmp_path), workers=0)
    summaries = summarise(results, "bits@8")
    reason = "† wer of semcodec@4: what Whisper hears was one of its losses, and taught its semantic encoder"
    text, shown = as_text(results, summaries, "bits@8"), io.StringIO()
    assert text.count("%†") == 2
    assert reason in text
    print_compact(results, summaries, Console(file=shown, width=120, force_terminal=True))
    bold = "\x1b[1m25.0%"
    assert f"{reason}\n" in shown.getvalue()
    assert shown.getvalue().count("25.0%†") == 1
    assert shown.getvalue().count(bold) == 1
    differences = markdown(build_differences(results, summaries, "bits@8"))
    assert differences.count("%†") == 1
    other = replace(results, provenance=replace(results.provenance, config={"asr": "pocketsphinx"}))
    assert "†" not in as_text(other, summaries, "bits@8")
