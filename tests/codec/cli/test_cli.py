"""The command line as a user meets it: real processes for pipes and start-up, in-process for the rest."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from codec.cli import main
from codec.container.bitstream import read
from tests.conftest import DATA

SPEECH, MUSIC = str(DATA / "speech.flac"), str(DATA / "music.flac")


@pytest.mark.parametrize("rate", [25, 50, 100])
@pytest.mark.parametrize("vocab", [16, 32, 64, 128])
def test_round_trip_has_exactly_the_samples(run, tmp_path: Path, rate: int, vocab: int) -> None:
    tokens, back = tmp_path / "x.sct", tmp_path / "y.wav"
    assert run("encode", SPEECH, "-o", tokens, "--rate", rate, "--vocab", vocab)[0] == 0
    assert run("decode", tokens, "-o", back)[0] == 0
    before, after = soundfile.info(SPEECH), soundfile.info(back)
    assert (after.frames, after.samplerate, after.channels) == (before.frames, before.samplerate, before.channels)
    assert read(tokens).rate == rate


def test_shipped_model_at_every_operating_point(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for rate in (25, 50, 100):
        for vocab, bits in ((4096, 25), (8192, 26), (16384, 27), (32768, 28)):
            tokens, back = tmp_path / "x.sct", tmp_path / "y.wav"
            for words in (
                ["encode", MUSIC, "-o", tokens, "-r", rate, "--vocab", vocab, "--json"],
                ["decode", tokens, "-o", back, "--overwrite"],
            ):
                with pytest.raises(SystemExit) as caught:
                    main([str(word) for word in words])
                assert not caught.value.code
            assert soundfile.info(back).frames == soundfile.info(MUSIC).frames
            nominal = soundfile.info(MUSIC).duration * 2 * rate / 2 * bits / 8
            assert abs(tokens.stat().st_size - nominal) <= 0.01 * nominal + 200
    capsys.readouterr()


@pytest.mark.parametrize("sample_rate", [8_000, 16_000, 44_100, 192_000])
@pytest.mark.parametrize("channels", [1, 2, 8])
@pytest.mark.parametrize("samples", [1, 17, 40_001])
def test_odd_but_valid_audio(run, tmp_path: Path, sample_rate: int, channels: int, samples: int) -> None:
    wave = np.random.default_rng(0).uniform(-2, 2, (samples, channels))  # clips, too
    soundfile.write(tmp_path / "x.wav", wave, sample_rate, subtype="FLOAT")
    assert run("encode", tmp_path / "x.wav")[0] == 0
    assert run("decode", tmp_path / "x.sct", "-o", tmp_path / "y.wav")[0] == 0
    info = soundfile.info(tmp_path / "y.wav")
    assert (info.frames, info.samplerate, info.channels) == (samples, sample_rate, channels)


def test_codes_for_other_programs_say_who_takes_them_back(run, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "x.wav", np.zeros(1_000), 16_000)
    assert run("encode", tmp_path / "x.wav", "--format", "jsonl")[0] == 0
    code, _, error = run("decode", tmp_path / "x.jsonl", "-o", tmp_path / "y.wav")
    assert (code, "model.tokens(codes, rate=…) takes them back" in error) == (2, True)


def test_info_goes_on_after_what_it_cannot_tell(run, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "x.wav", np.zeros(1_000), 16_000)
    code, shown, error = run("info", tmp_path / "no.wav", tmp_path / "x.wav", "-")
    assert (code, "1000" in shown, "no.wav: No such file" in error, "files, not pipes" in error) == (2, True, True, True)


def test_silence_and_nan(run, tmp_path: Path) -> None:
    for name, value in (("silence", 0.0), ("nan", np.nan)):
        soundfile.write(tmp_path / f"{name}.wav", np.full(30_000, value), 16_000, subtype="FLOAT")
        code, _, error = run("encode", tmp_path / f"{name}.wav")
        assert (code, "NaN or infinite: 30000 samples" in error) == ((1, True) if name == "nan" else (0, False))
    assert (tmp_path / "silence.sct").read_bytes() == (tmp_path / "nan.sct").read_bytes()


def test_other_formats(run, tmp_path: Path) -> None:
    assert run("encode", MUSIC, "-o", tmp_path / "x.npy", "--format", "npy")[0] == 0
    assert run("encode", MUSIC, "-o", tmp_path / "x.jsonl", "--format", "jsonl")[0] == 0
    assert run("encode", MUSIC, "-o", tmp_path / "x.sct")[0] == 0
    codes = read(tmp_path / "x.sct").codes.numpy()
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy", allow_pickle=False), codes)
    row = json.loads((tmp_path / "x.jsonl").read_text())
    np.testing.assert_array_equal(row["codes"], codes)
    assert (row["sample_rate"], row["samples"], row["frame_rate"]) == (44_100, soundfile.info(MUSIC).frames, 25)


def test_semantic_only_is_half(run, tmp_path: Path) -> None:
    run("encode", SPEECH, "-o", tmp_path / "both.sct", "--vocab", 128)
    run("encode", SPEECH, "-o", tmp_path / "half.sct", "--vocab", 128, "--semantic-only")
    assert read(tmp_path / "half.sct").codes.shape[1] == 1
    assert (tmp_path / "half.sct").stat().st_size < 0.6 * (tmp_path / "both.sct").stat().st_size
    assert run("decode", tmp_path / "half.sct", "-o", tmp_path / "y.wav")[0] == 0


@pytest.mark.parametrize("name", ["y.flac", "y.ogg", "y.mp3", "y.opus", "y.aiff"])
def test_output_formats(run, tmp_path: Path, name: str) -> None:
    run("encode", SPEECH, "-o", tmp_path / "x.sct")
    assert run("decode", tmp_path / "x.sct", "-o", tmp_path / name, "--sample-rate", 48_000)[0] == 0
    assert soundfile.info(tmp_path / name).samplerate == 48_000


def test_folder_goes_on_past_bad_files_and_resumes(run, tmp_path: Path) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    (source / "deep").mkdir(parents=True)
    for name in ("a.wav", "deep/b.flac", "b.wav", "b.flac"):
        soundfile.write(source / name, np.zeros(5_000), 16_000)
    (source / "bad.wav").write_text("no audio")
    (source / "readme.txt").write_text("not for encoding")
    code, _, error = run("encode", source, "-o", target)
    assert code == 2
    assert "bad.wav" in error
    assert "1 of 5 files failed" in error
    made = {path.relative_to(target).as_posix() for path in target.rglob("*.sct")}
    assert made == {"a.sct", "deep/b.sct", "b.wav.sct", "b.flac.sct"}
    before = {path: path.stat().st_mtime_ns for path in target.rglob("*.sct")}
    (source / "bad.wav").unlink()
    code, _, error = run("encode", source, "-o", target)
    assert code == 0
    assert "4 already done" in error
    assert {path: path.stat().st_mtime_ns for path in target.rglob("*.sct")} == before
    run("encode", source, "-o", target, "--overwrite")
    assert all(path.stat().st_mtime_ns > then for path, then in before.items())
    assert read(target / "a.sct").lengths.tolist() == [5_000]
    assert run("decode", target, "-o", tmp_path / "back")[0] == 0
    assert (tmp_path / "back" / "deep" / "b.decoded.wav").exists()


def test_globs_and_several_inputs(run, tmp_path: Path) -> None:
    for name in ("one.wav", "two.wav"):
        soundfile.write(tmp_path / name, np.zeros(2_000), 16_000)
    assert run("encode", tmp_path / "*.wav", "-o", tmp_path / "tokens")[0] == 0
    assert sorted(p.name for p in (tmp_path / "tokens").iterdir()) == ["one.sct", "two.sct"]


def test_json_lines(run, tmp_path: Path) -> None:
    code, out, _ = run("encode", SPEECH, "-o", tmp_path / "x.sct", "--json")
    report = json.loads(out)
    assert code == 0
    assert report["bytes"] == (tmp_path / "x.sct").stat().st_size
    assert report["kbps"] == pytest.approx(report["rate"] / 2 * 17 / 1000), "of the tokens, as on every page"
    assert report["file_kbps"] == pytest.approx(report["bytes"] * 8 / report["seconds"] / 1000)
    assert report["rate"] == 50
    facts = json.loads(run("info", tmp_path / "x.sct", "--json")[1])
    assert facts["samples"] == soundfile.info(SPEECH).frames
    assert {key: facts[key] for key in ("kbps", "file_kbps")} == pytest.approx(
        {key: report[key] for key in ("kbps", "file_kbps")}
    )
    assert json.loads(run("info", SPEECH, "--json")[1])["sample_rate"] == 16_000
    rows = [json.loads(line) for line in run("models", "--json")[1].splitlines()]
    assert rows[0]["name"] == "semcodec-2"
    assert {"encodec_24khz@1.5", "opus@6"} < {row["name"] for row in rows}


def test_bad_input_is_one_line_and_exit_code_2(check_failure, run, tmp_path: Path) -> None:
    out = tmp_path / "y.sct"
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("hello")
    (tmp_path / "some.sct.d").mkdir()
    soundfile.write(tmp_path / "none.wav", np.zeros(0), 16_000)
    soundfile.write(tmp_path / "ok.wav", np.zeros(16_000), 16_000)
    assert "no such file" in check_failure(tmp_path, "encode", tmp_path / "missing.wav", "-o", out)
    assert "empty" in check_failure(tmp_path, "encode", tmp_path / "empty.wav", "-o", out)
    assert "text.wav" in check_failure(tmp_path, "encode", tmp_path / "text.wav", "-o", out)
    assert "no samples" in check_failure(tmp_path, "encode", tmp_path / "none.wav", "-o", out)
    assert "nothing matches" in check_failure(tmp_path, "encode", tmp_path / "*.mp4", "-o", out)
    assert "no audio files" in check_failure(tmp_path, "encode", tmp_path / "some.sct.d", "-o", out)
    assert "rate 51" in check_failure(tmp_path, "encode", SPEECH, "-o", out, "--rate", 51)
    assert "vocabulary 5" in check_failure(tmp_path, "encode", SPEECH, "-o", out, "--vocab", 5)
    assert "format 'zip'" in check_failure(tmp_path, "encode", SPEECH, "-o", out, "--format", "zip")
    assert "cannot write" in check_failure(tmp_path, "encode", SPEECH, "-o", tmp_path / "no" / "y.sct")
    assert "cannot write" in check_failure(tmp_path, "encode", SPEECH, "-o", "/proc/y.sct")
    assert "valid integer" in check_failure(tmp_path, "encode", SPEECH, "--rate", "fast")
    assert "No such option" in check_failure(tmp_path, "encode", SPEECH, "--quality", "9")
    assert "No such command" in check_failure(tmp_path, "transcode")
    (tmp_path / "ok").write_bytes((tmp_path / "ok.wav").read_bytes())
    assert "overwrite the input" in check_failure(tmp_path, "encode", tmp_path / "ok", "-o", tmp_path / "ok")
    assert "name a folder" in check_failure(tmp_path, "encode", SPEECH, MUSIC, "-o", out)
    assert "no such file" in check_failure(tmp_path, "info", tmp_path / "missing.sct").lower()


def test_bad_containers_are_one_line_and_exit_code_2(check_failure, run, other_folder: Path, tmp_path: Path) -> None:
    good, bad, out = tmp_path / "x.sct", tmp_path / "bad.sct", tmp_path / "y.wav"
    run("encode", MUSIC, "-o", good)
    data = good.read_bytes()
    cases = {
        b"": "truncated",
        b"RIFFxxxxWAVEfmt                                     ": "not a .sct file",
        data[: len(data) // 2]: "truncated",
        data[:4] + b"\x09" + data[5:]: "newer than this program",
        data[:100] + b"?" + data[101:]: "chunk 0 is damaged",
        data + b"more": "behind the end",
    }
    for content, message in cases.items():
        bad.write_bytes(content)
        assert message in check_failure(tmp_path, "decode", bad, "-o", out)
    assert "cannot write .xyz" in check_failure(tmp_path, "decode", good, "-o", tmp_path / "y.xyz")
    assert "sample rate 7" in check_failure(tmp_path, "decode", good, "-o", out, "--sample-rate", 7)
    assert "were made by" in check_failure(tmp_path, "decode", good, "-o", out, "--model", other_folder)
    bad.write_bytes(data[:100] + b"?" + data[101:])
    assert run("decode", bad, "-o", out, "--conceal")[0] == 1  # something is missing
    assert soundfile.info(out).frames == soundfile.info(MUSIC).frames


def test_what_stands_behind_the_end_is_told_where_it_is_left_out(run, tmp_path: Path) -> None:
    run("encode", SPEECH, "-o", tmp_path / "x.sct")
    with (tmp_path / "x.sct").open("ab") as handle:
        handle.write(b"more")
    assert "--conceal to leave it out" in run("decode", tmp_path / "x.sct")[2]
    code, _, error = run("decode", tmp_path / "x.sct", "--conceal", "-o", tmp_path / "y.wav")
    assert (code, "data behind the end, which is left out" in error) == (1, True)
    assert soundfile.info(tmp_path / "y.wav").frames == soundfile.info(SPEECH).frames


@pytest.mark.parametrize("format", ["npy", "jsonl"])
def test_info_tells_what_codes_are(run, format: str, tmp_path: Path) -> None:
    run("encode", SPEECH, "-o", tmp_path / f"x.{format}", "--format", format)
    facts = json.loads(run("info", tmp_path / f"x.{format}", "--json")[1])
    assert (facts["format"], facts["samples"]) == (format, soundfile.info(SPEECH).frames)
    (tmp_path / f"y.{format}").write_text("{}")
    assert "nothing tells what its codes are" in run("info", tmp_path / f"y.{format}")[2]


def test_info_and_decode_agree_on_what_is_there(run, tmp_path: Path) -> None:
    """Of a container that breaks off inside its only chunk."""
    run("encode", SPEECH, "-o", tmp_path / "x.sct")
    (tmp_path / "cut.sct").write_bytes((tmp_path / "x.sct").read_bytes()[:150])
    told = run("info", tmp_path / "cut.sct")[2]
    assert "s that are there" in told
    assert told == run("decode", tmp_path / "cut.sct", "-o", tmp_path / "y.wav")[2]


def process(*arguments: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-m", "codec", *arguments], input=data, capture_output=True)


def test_pipes(tiny_folder: Path, tmp_path: Path) -> None:
    model = ["--model", str(tiny_folder)]
    encoded = process("encode", "-", "-o", "-", "--vocab", "32", *model, data=Path(MUSIC).read_bytes())
    assert encoded.returncode == 0, encoded.stderr
    decoded = process("decode", "-", "-o", "-", *model, data=encoded.stdout)
    assert decoded.returncode == 0, decoded.stderr
    (tmp_path / "y.wav").write_bytes(decoded.stdout)
    assert soundfile.info(tmp_path / "y.wav").frames == soundfile.info(MUSIC).frames


def test_damage_that_a_live_stream_mutes_is_told(tiny_folder: Path, tmp_path: Path) -> None:
    model = ["--model", str(tiny_folder)]
    data = bytearray(process("encode", str(MUSIC), "-o", "-", *model).stdout)
    data[100] ^= 255
    live = process("decode", "--stream", "-", "--conceal", *model, data=bytes(data))
    assert (live.returncode, live.stderr) == (1, b"codec: standard input: 1 damaged chunks muted\n")
    json = process("decode", "--stream", "-", "--conceal", "--json", *model, data=bytes(data))
    assert (json.returncode, b'"damaged_chunks": 1' in json.stderr) == (1, True)


def test_a_reader_that_goes_away_is_no_traceback(tiny_folder: Path) -> None:
    command = f"{sys.executable} -m codec encode {MUSIC} -o - --model {tiny_folder} | head -c 1 | wc -c"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert done.stdout.strip() == "1"
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


def test_help_does_not_wait_for_torch() -> None:
    script = """
import sys
from codec.cli import main
try:
    main(["--help"])
except SystemExit:
    print(sorted({"torch", "numpy", "soundfile"} & set(sys.modules)))
"""
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.strip().splitlines()[-1] == "[]"
    assert "encode" in found.stdout


def test_version_and_no_arguments() -> None:
    from codec import __version__

    assert process("--version").stdout.decode().strip() == __version__
    assert b"Usage" in process().stdout + process().stderr
