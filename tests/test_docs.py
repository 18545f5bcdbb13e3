"""Every command and every snippet in the README and the docs runs.

``sh`` blocks run line by line in a folder that holds ``speech.flac``, ``song.flac`` and ``recordings/``; commands that
take hours (training, benchmarks) run with ``--help``, make targets must exist. ``python`` blocks run in the same folder.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import DATA

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "codec" / "weights" / "default" / "README.md"]
TAKES_LONG = ("train", "bench", "export", "eval", "sweep", "models --fetch", "ui", "serve", "probe")
LONG = (*(f"codec {name}" for name in TAKES_LONG), "python -m benchmarks.objectives")


def blocks(language: str) -> list[tuple[str, str]]:
    pattern = re.compile(rf"^```{language}\n(.*?)^```", re.S | re.M)
    return [
        (f"{page.relative_to(ROOT)}#{number}", code)
        for page in PAGES
        for number, code in enumerate(pattern.findall(page.read_text("utf-8")))
    ]


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "recordings").mkdir()
    shutil.copy(DATA / "speech.flac", tmp_path / "speech.flac")
    shutil.copy(DATA / "music.flac", tmp_path / "song.flac")
    shutil.copy(DATA / "speech.flac", tmp_path / "recordings" / "one.flac")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("name", "code"), [pytest.param(*b, id=b[0]) for b in blocks("sh")])
def test_shell(name: str, code: str, workplace: Path) -> None:
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "COLUMNS": "200"}
    makefile = (ROOT / "Makefile").read_text()
    for line in code.replace("\\\n", " ").splitlines():
        command = re.sub(r"\s+#.*", "", line).strip()
        if not command or command.startswith(("#", "git clone", "cd ", "pip install")):
            continue
        if command.startswith("make"):
            assert re.search(rf"^{command.split()[1]}:", makefile, re.M), command
            continue
        if command.startswith(LONG):
            command = " ".join(word for word in command.split()[:3] if word == "-m" or word[0] != "-") + " --help"
        done = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{name}: {command}\n{done.stderr}"


@pytest.mark.parametrize(("name", "code"), [pytest.param(*b, id=b[0]) for b in blocks("python")])
def test_python(name: str, code: str, workplace: Path) -> None:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, f"{name}\n{done.stderr}"


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
