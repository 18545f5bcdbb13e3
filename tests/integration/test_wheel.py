"""A wheel of this project, installed where no checkout is: everything that a user calls must be in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from tests.conftest import DATA
from tests.integration.training import cut_clips

ROOT = Path(__file__).parents[2]
EVERY_HELP = """
import sys
from importlib.util import find_spec
from pathlib import Path

import typer

from codec.cli import main
from codec.cli.commands import LATER
from codec.cli.main import app

def show(group, words):
    for name, command in sorted(group.commands.items()):
        try:
            main([*words, name, "--help"])
        except SystemExit as ended:
            assert not ended.code, (words, name)
        if hasattr(command, "commands"):
            show(command, [*words, name])

group = typer.main.get_command(app)
for name in LATER:
    group.load(name)
show(group, [])
ours = [find_spec(name).origin for name in ("codec", "quantizers", "train", "eval", "benchmarks")]
assert all(Path(path).is_relative_to(sys.prefix) for path in ours), ours
"""
WITHOUT_TORCH = """
import sys
sys.modules.update(dict.fromkeys(("torch", "torchaudio", "einops", "vector_quantize_pytorch", "onnx")))
from codec.cli import main
main(sys.argv[1:])
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``bin`` of an environment with the wheel; what it depends on is taken from this environment."""
    folder = tmp_path_factory.mktemp("wheel")
    run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)], ROOT)
    (wheel,) = folder.glob("semcodec-*.whl")
    home = folder / "environment"
    venv.create(home, symlinks=True)
    python = home / "bin" / "python"
    run([sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", str(wheel)], folder)
    places = run([str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], folder)
    # A path in a .pth file brings packages, but not those that are installed there by .pth files: not this checkout.
    (Path(places.strip()) / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return home / "bin"


def run(words: list[str], folder: Path) -> str:
    bare = {key: value for key, value in os.environ.items() if key != "PYTHONPATH" or "hatchling" in words}
    done = subprocess.run(words, cwd=folder, env={**bare, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_it_encodes_and_decodes(installed: Path, tmp_path: Path) -> None:
    run([str(installed / "codec"), "encode", str(DATA / "speech.flac"), "-o", "x.sct"], tmp_path)
    run([str(installed / "codec"), "decode", "x.sct", "-o", "x.wav"], tmp_path)
    assert (tmp_path / "x.wav").stat().st_size > 10_000


@pytest.mark.slow
def test_it_works_where_torch_is_not_installed(installed: Path, tmp_path: Path) -> None:
    """The bundled model's graphs are in the wheel, and refer to its weights."""
    for words in (["encode", str(DATA / "speech.flac"), "-o", "x.sct"], ["decode", "x.sct", "-o", "x.wav"], ["info", "x.sct"]):
        run([str(installed / "python"), "-c", WITHOUT_TORCH, *words], tmp_path)
    assert (tmp_path / "x.wav").stat().st_size > 10_000


@pytest.mark.slow
def test_it_shows_every_help(installed: Path, tmp_path: Path) -> None:
    shown = run([str(installed / "python"), "-c", EVERY_HELP], tmp_path)
    assert shown.count("Usage: ") > 30


@pytest.mark.slow
def test_it_trains_from_its_own_config(installed: Path, tmp_path: Path) -> None:
    cut_clips(tmp_path / "audio")
    (config,) = installed.parent.glob("lib/*/site-packages/train/configs/nano.yaml")
    changes = ["root=run", "precision=fp32", "corpus.sources=[audio]", "corpus.copies={}", "ssl.objective=mae"]
    changes += ["ssl.steps=2", "ssl.batch_size=2", "ssl.crop_frames=32"]
    run([str(installed / "codec"), "train", "corpus", "ssl", "--config", str(config), *changes], tmp_path)
    lines = (tmp_path / "run" / "ssl" / "metrics.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["step"] == 2
