"""A small study made of the bundled recordings, a fake codec or two, and a browser."""

from __future__ import annotations

import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from codec.audio.io import read_audio
from codec.baselines.interface import Encoded
from codec.data.testsets import Clip, clips_of
from eval.listening.make import Recipe, make_study
from eval.listening.study import load_study, save_study
from tests.conftest import DATA

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"),
    *("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"),
]

PATIENCE = 300_000
"""Milliseconds, of a very busy machine; an idle one needs a few thousandths of it."""


@dataclass
class Steps:
    """A codec that rounds samples to a grid: cheap, deaf to nothing, and audibly worse the coarser the grid."""

    name: str
    step: float
    version: str = "1"
    sample_rate: int = 16_000
    bitrate: float = 1000.0
    trained: bool = True
    delay: float | None = 0.0
    late: int = 0

    def encode(self, wave: np.ndarray, sample_rate: int) -> Encoded:
        return Encoded(1000, len(wave), sample_rate, np.round(wave / self.step) * self.step)

    def decode(self, encoded: Encoded) -> np.ndarray:
        wave = np.asarray(encoded.payload, np.float32)
        return np.concatenate([np.zeros(self.late, np.float32), wave])[: len(wave)]


FINE, COARSE = Steps("fine", 0.002), Steps("coarse", 0.05)


def write_recordings(folder: Path, seconds: float = 1.5) -> Path:
    """``speech/`` and ``music/`` with a few excerpts each."""
    for domain, count in (("speech", 3), ("music", 2)):
        wave, rate = read_audio(DATA / f"{domain}.flac")
        (folder / domain).mkdir(parents=True)
        size = int(seconds * rate)
        for i in range(count):
            start = i * (wave.shape[1] - size) // count
            soundfile.write(folder / domain / f"{domain} {i + 1}.wav", wave[0, start : start + size], rate)
    return folder


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> list[Clip]:
    return clips_of(str(write_recordings(tmp_path_factory.mktemp("recordings") / "data")))


@pytest.fixture(scope="session")
def studies(recordings: list[Clip], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One study of three clips for each mode; not to be changed."""
    root = tmp_path_factory.mktemp("studies")
    for mode in ("mushra", "ab", "acr"):
        make_study(root / mode, recordings, [FINE, COARSE], Recipe({"speech": 2, "music": 1}, mode, "Codecs & <friends>"))
    return {path.name: path for path in root.iterdir()}


@pytest.fixture
def new_study(studies: dict[str, Path], tmp_path: Path) -> Callable[..., Path]:
    """Copies the study of a mode; keywords change fields of it."""

    def copy(mode: str = "mushra", **fields: Any) -> Path:
        folder = tmp_path / f"study-{mode}"
        shutil.copytree(studies[mode], folder)
        save_study(replace(load_study(folder), **fields), folder)
        return folder

    return copy


@contextmanager
def serving(app: Any, *pages: Any) -> Iterator[str]:
    """Runs an application in a thread; gives its address. Pages leave before the server does, or what they still ask for
    would count as an error of theirs."""
    import uvicorn

    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()  # connections wait from here on
        server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{sock.getsockname()[1]}"
            for page in pages:
                page.goto("about:blank")
        finally:
            server.should_exit = True
            thread.join()


def there(found: Any, count: int) -> None:
    """As many are on the page, at the latest when it has drawn what has just changed."""
    from playwright.sync_api import expect

    expect(found).to_have_count(count, timeout=PATIENCE)


def fits(page: Any, width: int) -> None:
    """In a window of so many pixels nothing lies beside it."""
    page.set_viewport_size({"width": width, "height": 800})
    page.wait_for_function("width => innerWidth === width", arg=width)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    assert Path(CHROMIUM).exists(), "the pages are tested in Debian's browser: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page that fails the test if it asks for anything from elsewhere, logs an error, or breaks its own policy."""
    context = browser.new_context(viewport={"width": 1100, "height": 900}, accept_downloads=True)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on(
        "request", lambda r: problems.append(r.url) if not r.url.startswith(("http://127.0.0.1:", "blob:", "data:")) else None
    )
    page.problems = problems
    yield page
    context.close()
    assert not problems
