"""Sub-commands are found wherever one stands, load when they are called, and do not break each other."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

import codec
from codec.cli import main
from codec.cli.commands import LATER, Later
from codec.cli.main import OURS, app
from tests.conftest import DATA
from tests.test_imports import PACKAGES

HOME = str(Path(codec.__file__).parent.parent)
SCRIPT = Path(sys.executable).with_name("codec")
STRANGERS = ("train", "eval", "quantizers", "benchmarks", "tests", "torch", "numpy", "typer")


def run(words: list[str], folder: Path, *path: Path) -> subprocess.CompletedProcess[str]:
    """In a folder, with other folders before everything that is installed."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([*map(str, path), HOME])}
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.fixture
def crowded(tmp_path: Path) -> Path:
    """A folder of files that are called like this project's packages, and like those that it uses."""
    for name in STRANGERS:
        (tmp_path / f"{name}.py").write_text("raise SystemExit('a file of the current folder was run')\n")
    shutil.copy(DATA / "speech.flac", tmp_path / "clip.flac")
    return tmp_path


@pytest.mark.parametrize("words", ["encode clip.flac", "train --help", "eval --help", "bench --help", "serve --help"])
def test_files_of_the_current_folder_are_not_run(crowded: Path, words: str, tiny_folder: Path) -> None:
    command = words.split() + (["--model", str(tiny_folder)] if "encode" in words else [])
    done = run([sys.executable, "-m", "codec", *command], crowded)
    assert done.returncode == 0, done.stderr
    assert "current folder" not in done.stdout + done.stderr


@pytest.mark.skipif(not SCRIPT.is_file(), reason="the command is not installed beside this Python")
def test_the_command_runs_in_a_folder_that_has_its_own_codec(crowded: Path) -> None:
    """``python -m codec`` cannot: Python takes ``codec.py`` of the current folder before any of this project is read."""
    (crowded / "codec.py").write_text("raise SystemExit('a file of the current folder was run')\n")
    done = run([str(SCRIPT), "train", "--help"], crowded)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_folder_of_a_checkout_stays_on_the_path() -> None:
    done = run([sys.executable, "-m", "codec", "--version"], Path(HOME))
    assert (done.returncode, done.stdout) == (0, f"{codec.__version__}\n")


@pytest.mark.parametrize("name", LATER)
def test_the_list_of_commands_says_what_their_help_says(name: str) -> None:
    group: Any = typer.main.get_command(app)
    listed = group.commands[name].help
    group.load(name)
    assert group.commands[name].help.partition("\n\n")[0].split() == listed.split()


def test_help_imports_no_command(tmp_path: Path) -> None:
    modules = [later.home.partition(":")[0] for later in LATER.values()]
    script = (
        "import sys\nfrom codec.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
        f"sys.exit(' '.join({{*{modules!r}, 'torch'}} & {{*sys.modules}}) or 0)"
    )
    done = run([sys.executable, "-c", script], tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_command_that_cannot_be_loaded_costs_only_itself(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken_on_import.py").write_text("raise RuntimeError('built for\\nanother machine')\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    monkeypatch.setitem(LATER, "ui", Later("broken_on_import:ui", "Broken."))
    with pytest.raises(SystemExit) as caught:
        main(["ui"])
    assert caught.value.code == 2
    assert capsys.readouterr().err == "codec: codec ui cannot be loaded: RuntimeError: built for another machine\n"
    for words, shown in ((["--help"], "Broken."), (["train", "--help"], "--config")):
        with pytest.raises(SystemExit) as caught:
            main(words)
        assert not caught.value.code
        assert shown in capsys.readouterr().out


def test_a_package_that_is_missing_while_a_command_runs_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "matplotlib.py").write_text("raise ImportError('no such library: libfreetype', name='matplotlib')\n")
    words = ["sweep", "--codecs", "original", "--data", str(DATA), "-o", "out"]
    done = run([sys.executable, "-m", "codec", *words], tmp_path, tmp_path)
    assert done.returncode == 2, done.stderr
    *before, last = done.stderr.splitlines()
    assert "pip install" in last
    assert all(line.endswith(("…", " left")) for line in before), "what it is doing, and on a slow machine how long it will"
    assert "matplotlib" in done.stderr


def test_what_is_ours_is_known() -> None:
    assert set(OURS) == set(PACKAGES)
