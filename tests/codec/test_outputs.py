"""Full devices, closed pipes, locales without umlauts, players without sound cards: one line and the right exit code."""

from __future__ import annotations

import os
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.conftest import DATA
from tests.faults import codec

SPEECH = str(DATA / "speech.flac")
Run = Callable[..., tuple[int, str, str]]
ASCII = {
    "an ASCII locale": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "ASCII pipes": {"PYTHONIOENCODING": "ascii"},
}


@pytest.fixture(scope="module")
def tokens(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tokens") / "speech.sct"
    subprocess.run(codec("encode", SPEECH, "-o", path, "--vocab", 32, "--model", tiny_folder), check=True, capture_output=True)
    return path


def shell(script: str, tiny_folder: Path, tokens: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a line of bash in which ``codec``, ``$audio``, ``$tokens`` and ``$model`` are known."""
    known = {"audio": SPEECH, "tokens": str(tokens), "model": f"--model={tiny_folder}"}
    line = f'set -o pipefail; codec() {{ {" ".join(codec())} "$@"; }}; {script}'
    words = {"env": os.environ | known | environment, "capture_output": True, "text": True, "errors": "replace"}
    return subprocess.run(["bash", "-c", line], **words)


COMMANDS = {
    "encode": "codec encode $audio -o - --vocab 32 $model",
    "encode npy": "codec encode $audio -o - --format npy --vocab 32 $model",
    "decode": "codec decode $tokens -o - $model",
    "encode --stream": "head -c 200000 /dev/zero | codec encode --stream --raw 16000 - --vocab 32 $model",
    "decode --stream": "codec decode --stream - $model < $tokens",
    "info": "codec info $tokens",
    "help": "codec --help",
}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("name", COMMANDS)
def test_a_full_device_is_one_line(name: str, tiny_folder: Path, tokens: Path) -> None:
    done = shell(f"{COMMANDS[name]} > /dev/full", tiny_folder, tokens)
    assert (done.returncode, done.stderr) == (2, "codec: standard output: No space left on device\n")


@pytest.mark.parametrize("name", ["decode", "decode --stream", "help"])
def test_a_reader_that_goes_away_is_no_error_message(name: str, tiny_folder: Path, tokens: Path) -> None:
    done = shell(f"{COMMANDS[name]} | true", tiny_folder, tokens)
    assert (done.returncode, done.stderr) == (141, "")  # as a shell says of a program that SIGPIPE ended


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("codec encode $audio -o - $model >&-", "standard output is closed"),
        ("codec decode --stream - $model <&-", "standard input is closed"),
        ("codec decode - -o x.wav $model <&-", "standard input is closed"),
    ],
)
def test_closed_descriptors_are_one_line(script: str, message: str, tiny_folder: Path, tokens: Path) -> None:
    done = shell(script, tiny_folder, tokens)
    assert (done.returncode, done.stderr) == (2, f"codec: {message}\n")


def test_devices_take_results_and_stay(run: Run, tokens: Path, tmp_path: Path) -> None:
    """A named pipe stands for /dev/null, which a superuser's rename would replace by a file."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for words in (["encode", SPEECH, "-o", pipe, "--vocab", 32], ["decode", tokens, "-o", pipe]):
        with subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE) as reader:
            assert run(*words)[0] == 0
            assert reader.stdout
            content = reader.stdout.read()
        assert content[:4] in (b"\x8bSCT", b"RIFF")
        assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert len(content) > 2 * soundfile.info(SPEECH).frames


@pytest.mark.parametrize("locale", ASCII)
def test_locales_without_our_letters(locale: str, tiny_folder: Path, tokens: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    name = os.fsdecode("süß→".encode())
    try:
        shutil.copy(SPEECH, tmp_path / "in" / f"{name}.flac")
    except OSError:
        pytest.skip("names must be plain here")
    (tmp_path / "in" / f"{name}.wav").write_text("no audio")
    script = f"cd {tmp_path}; codec encode in -o out $model --vocab 32; codec decode out -o back $model && codec info out/*"
    done = shell(script, tiny_folder, tokens, **ASCII[locale])
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count(" -> ") == 2
    assert "1 of 2 files failed" in done.stderr
    assert "codec: no model" in shell("codec encode $audio -o - --model=nöwhere", tiny_folder, tokens, **ASCII[locale]).stderr
    for words in ("encode --help", "eval --help"):
        assert shell(f"codec {words}", tiny_folder, tokens, **ASCII[locale]).returncode == 0
    assert (tmp_path / "back" / f"{name}.flac.decoded.wav").exists()


def player(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_players_without_a_sound_card(
    run: Run, tokens: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_folder: Path
) -> None:
    """As ffplay and aplay behave where there is none: noise of ALSA, and ffplay's exit code says nothing."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr("codec.cli.show._PLAYERS", (["ffplay", "-x"], ["no-such-player"], ["aplay"]))
    noise = "echo 'ALSA lib pcm.c:2666:(snd_pcm_open) failed: Unknown PCM default' >&2;"
    player(tmp_path, "ffplay", f"{noise} echo 'No more combinations to try, audio open failed' >&2; exit 0")
    player(tmp_path, "aplay", f"{noise} echo 'aplay: audio open error: No such file or directory' >&2; exit 1")
    code, out, error = run("play", tokens, "--model", tiny_folder)
    assert (code, out, error.count("\n")) == (2, "", 1)
    assert "audio open failed" in error
    assert "audio open error" in error
    assert "ALSA" not in error
    player(tmp_path, "aplay", f'{noise} cp "$1" {tmp_path}/heard.wav')
    code, _, error = run("play", tokens, "--model", tiny_folder)
    assert (code, error) == (0, "")
    assert soundfile.info(tmp_path / "heard.wav").frames == soundfile.info(SPEECH).frames


@pytest.mark.parametrize(
    "line",
    ["encode ''", "decode ''", "info ''", "play ''", "encode x.wav -o ''", "encode x.wav --output=", "encode x.wav -m ''"],
)
def test_empty_arguments_are_not_the_current_folder(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    """An unset variable in a script: ``codec encode "$folder"``."""
    soundfile.write(tmp_path / "x.wav", np.zeros(9_000), 16_000)
    monkeypatch.chdir(tmp_path)
    code, _, error = run(*shlex.split(line))
    assert (code, error.count("\n")) == (2, 1)
    assert "is empty" in error
    assert [path.name for path in tmp_path.iterdir()] == ["x.wav"]


@pytest.mark.parametrize("command", ["tokenize", "sweep", "eval reconstruct", "probe tasks", "serve", "bench speed"])
def test_empty_arguments_of_every_command(command: str, run: Run) -> None:
    code, _, error = run(*command.split(), "")
    assert (code, error.count("\n")) == (2, 1)
    assert "is empty" in error


@pytest.mark.parametrize("module", ["train.peers", "train.diffusion", "benchmarks.objectives", "benchmarks.voices"])
def test_empty_arguments_of_every_module(module: str) -> None:
    done = subprocess.run([sys.executable, "-m", module, ""], capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "is empty" in done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["encode", SPEECH, "-o", "out.wav"], "name it out.sct"),
        (["encode", SPEECH, "-o", "out.MP3", "--format", "npy"], "name it out.npy"),
        (["encode", SPEECH, "-o", "out.npy"], "add --format npy"),
        (["encode", SPEECH, "-o", "out.sct", "--format", "jsonl"], "add --format sct"),
        (["decode", SPEECH], "not a .sct file"),
        (["decode", "TOKENS", "-o", "y.wav", "--sample-rate", "0"], "sample rate 0 Hz"),
        (["encode", "TOKENS"], "codec decode turns it into sound"),
        (["encode", "TOKENS", "-o", "y.sct"], "codec decode turns it into sound"),
    ],
)
def test_names_that_promise_something_else(
    run: Run, tokens: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, error = run(*(str(tokens) if word == "TOKENS" else word for word in words))
    assert (code, error.count("\n")) == (2, 1)
    assert message in error
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "script", ["codec encode --stream - --raw 16000 $model < /dev/null", "codec encode none.wav -o - $model"]
)
def test_no_audio_leaves_no_container(script: str, tiny_folder: Path, tokens: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "none.wav", np.zeros(0), 16_000)
    done = shell(f"cd {tmp_path}; {script} > out.sct", tiny_folder, tokens)
    assert done.returncode == 2
    assert "no samples" in done.stderr
    assert (tmp_path / "out.sct").read_bytes() == b""


def test_a_container_that_breaks_off_is_heard_as_far_as_it_goes(run: Run, tiny_folder: Path, tmp_path: Path) -> None:
    """59 s, cut in its last chunk: a pipe gives all that is there, a file does when asked to."""
    soundfile.write(tmp_path / "long.wav", np.random.default_rng(0).standard_normal(59 * 16_000) * 0.1, 16_000)
    source, target = tmp_path / "cut.sct", tmp_path / "cut.decoded.wav"
    run("encode", tmp_path / "long.wav", "--vocab", 32)
    whole = (tmp_path / "long.sct").read_bytes()
    chunk = 6 + 256 * 18 // 8
    frames = 5 * 256 + (len(whole) - 14 - 80 - 38 - 5 * chunk - 6) * 8 // 18
    assert 55 * 25 < frames < 59 * 25
    source.write_bytes(whole[: len(whole) - 14 - 80])
    code, _, error = run("decode", source)
    assert (code, target.exists()) == (2, False)
    assert "decode with --conceal for the 5" in error
    code, _, error = run("decode", source, "--conceal")
    assert code == 1
    assert "cut.sct: truncated inside chunk 5" in error
    decoded = soundfile.read(target, dtype="int16")[0]
    assert len(decoded) == frames * 640
    live = subprocess.run(
        codec("decode", "--stream", "-", "--raw", "--model", tiny_folder), input=source.read_bytes(), capture_output=True
    )
    assert (live.returncode, live.stderr) == (1, b"codec: standard input: truncated inside chunk 5\n")
    np.testing.assert_allclose(np.frombuffer(live.stdout, "<i2"), decoded, atol=1)
