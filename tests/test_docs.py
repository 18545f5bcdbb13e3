"""Every command and every snippet in the README and the docs runs.

``sh`` blocks run line by line in a folder that holds ``speech.flac``, ``song.flac`` and ``recordings/``; commands that
take hours (training, benchmarks), serve, fetch or write into the checkout are read by their own parsers instead, and so are
those of ``make`` targets, ``console`` and ``text`` blocks, and sentences. ``python`` blocks run in the same folder.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import soundfile

from tests.commands import DocumentedError, check
from tests.conftest import DATA

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "codec" / "weights").glob("*/README.md"))]
READ_ONLY = ("train", "bench", "export", "eval", "exam", "sweep", "models --fetch", "ui", "serve", "probe")
NOT_RUN = (*(f"codec {name}" for name in READ_ONLY), "python -m benchmarks.", "make")
INLINE = re.compile(r"`((?:codec|python -m|make|pytest) [^`\n]+)`")


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
    for line in code.replace("\\\n", " ").splitlines():
        command = re.sub(r"\s+#.*", "", line).strip()
        if not command or command.startswith(("#", "git clone", "cd ", "pip install")):
            continue
        if command.startswith(NOT_RUN):
            check(command)
            continue
        done = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{name}: {command}\n{done.stderr}"


def python_blocks() -> list[Any]:
    """Those that read the song also run with a mono one."""
    both = [(name, code, mono) for name, code in blocks("python") for mono in (False, True) if not mono or "song.flac" in code]
    return [pytest.param(*block, id=block[0] + "-mono" * block[2]) for block in both]


@pytest.mark.parametrize(("name", "code", "mono"), python_blocks())
def test_python(name: str, code: str, mono: bool, workplace: Path) -> None:
    if mono:
        wave, rate = soundfile.read(workplace / "song.flac")
        code = code.replace("channels=2", "channels=1")
        soundfile.write(workplace / "song.flac", wave[:, 0], rate)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, f"{name}\n{done.stderr}"


@pytest.mark.parametrize("page", [pytest.param(page, id=page.name) for page in (*PAGES, ROOT / "CONTRIBUTING.md")])
def test_commands_that_are_shown_or_spoken_of_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    for shown in re.findall(r"^```(?:console|text)\n(.*?)^```", text, re.S | re.M):
        for line in re.findall(r"^(?:\$ )?((?:codec|python -m) .*)", shown.replace("\\\n", " "), re.M):
            check(line)
    for sentence in INLINE.findall(text):
        check(sentence, whole=False)


def test_makefile_gives_options_that_exist() -> None:
    for target in re.findall(r"^([a-z-]+):(?! pyproject)", (ROOT / "Makefile").read_text(), re.M):
        check(f"make {target}")


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("codec bench speed --jsonl > speed.jsonl", "--jsonl"),
        ("codec bench speed | codec serve --ports 8000", "--ports"),
        ("codec serve --port eighty", "valid integer"),
        ("codec serve --port 70000", "65535"),
        ("codec sweep --codecs semcodec -o sweep/", "--data"),
        ("codec eval rebuild --codecs semcodec", "no command rebuild"),
        ("codec export --onnx", "--onnx"),
        ("codec eval", "names no command"),
        ("codec train encoder --config train/configs/nano.yaml", "no stage encoder"),
        ("codec train --config train/configs/nano.yaml codec.stepz=5", "stepz"),
        ("codec train --config train/configs/milli.yaml", "milli.yaml"),
        ("python -m train.peers encodec_24khz --corpus runs/corpus -o runs/peers --hours 60", "--hours"),
        ("python -m benchmarks.table", "no such module"),
        ("make sweeps", "sweeps"),
        ("pytest tests/test_imports.py -k 'point and moon'", "no test"),
        ("pytest tests/test_documents.py", "test_documents"),
    ],
)
def test_what_has_another_name_is_found(command: str, reason: str) -> None:
    with pytest.raises(DocumentedError, match=re.escape(reason)):
        check(command)


def test_sentences_may_leave_out_what_is_required() -> None:
    check("codec sweep --codecs semcodec", whole=False)
    with pytest.raises(DocumentedError, match="--codex"):
        check("codec sweep --codex semcodec", whole=False)


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


HISTORY = ("experiments.md", "decisions.md")
"""Pages that speak of what is no longer there."""
SOURCE = re.compile(r"`((?:codec|quantizers|train|eval|benchmarks|tests|examples)/[\w./-]*\.(?:py|yaml|sh|json|md))`")


@pytest.mark.parametrize("page", [pytest.param(page, id=page.name) for page in PAGES if page.name not in HISTORY])
def test_files_that_are_named_exist(page: Path) -> None:
    for name in SOURCE.findall(page.read_text("utf-8")):
        assert (ROOT / name).exists(), f"{page.name}: {name}"
