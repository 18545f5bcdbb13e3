"""The TypeScript package on the same model: its tests run under Node, beside what Python makes of the same files."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import soundfile

import codec
from codec.arrays import as_array
from codec.container.bitstream import ContainerReader, ContainerWriter, read, save
from codec.model import Codec
from tests.eval.listening.axe import serious
from tests.eval.listening.conftest import browser, fits, page
from tests.firefox import FIREFOX, Firefox

__all__ = ["browser", "page"]  # fixtures
WEB = Path(__file__).parents[2] / "web"


def run(*words: str, **environment: str) -> str:
    done = subprocess.run(words, cwd=WEB, capture_output=True, text=True, env=os.environ | environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def expected(shipped: Codec, speech: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("onnx")
    from codec.export.write import write_onnx

    folder = tmp_path_factory.mktemp("web")
    write_onnx(shipped, folder, int8=True)
    model = codec.load(folder, backend="onnx")
    speech.astype("<f4").tofile(folder / "speech.f32")
    for rate in model.rates:
        tokens = model.encode(speech, 16_000, rate)
        save(tokens, folder / f"speech_{rate}.sct")
        as_array(model.decode(tokens)).astype("<f4").tofile(folder / f"speech_{rate}.f32")
    return folder


needs_node = pytest.mark.skipif(
    shutil.which("node") is None or not (WEB / "node_modules").is_dir(), reason="needs node, and npm ci in web/"
)


@needs_node
@pytest.mark.slow
def test_the_package_gives_what_python_gives(expected: Path) -> None:
    run("npm", "run", "--silent", "build")
    told = run("node", "--test", "test/", SEMCODEC_EXPECTED=str(expected))
    assert "# fail 0" in told
    assert "# skipped 0" in told


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder, says nothing of it, and keeps in mind what was asked for."""

    asked: ClassVar[list[str]] = []

    def log_message(self, *_: object) -> None:
        self.asked.append(self.path)


def asked_of_gpus() -> list[str]:
    """What only a GPU needs, among all that was asked for since the last time."""
    found = [path for path in Quiet.asked if path == "/gpu.js" or "asyncify" in path]
    Quiet.asked.clear()
    return found


@pytest.fixture(scope="module")
def site(expected: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a built page is served."""
    folder = tmp_path_factory.mktemp("site") / "dist"
    run("npm", "run", "--silent", "page", "--", str(expected), str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        thread.join()


PATIENCE = 300_000
"""Milliseconds, of a busy machine; an idle one needs 2 % of it."""


@pytest.fixture(scope="module")
def opened(site: str, expected: Path, browser: Any) -> Iterator[Any]:
    """The page with a ``.sct`` file open."""
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(site)
    page.set_input_files("#file", expected / "speech_25.sct")
    page.wait_for_selector("#status:text-is('Done.')")
    yield page
    context.close()


@needs_node
@pytest.mark.slow
@pytest.mark.parametrize("width", [320, 390, 1100])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_phones_and_dark_rooms(opened: Any, width: int, scheme: str) -> None:
    opened.emulate_media(color_scheme=scheme)
    fits(opened, width)
    dark = opened.evaluate("() => matchMedia('(prefers-color-scheme: dark)').matches")
    ink = opened.evaluate("() => getComputedStyle(document.body).color")
    assert dark == (scheme == "dark") == (ink == "rgb(255, 255, 255)")
    assert not serious(opened)


@needs_node
@pytest.mark.slow
def test_everything_is_reached_by_keyboard_and_can_be_seen(opened: Any) -> None:
    opened.evaluate("() => document.activeElement.blur()")
    reached = []
    for _ in range(20):
        opened.keyboard.press("Tab")
        name, seen = opened.evaluate(
            """() => {
                const at = document.activeElement;
                const shown = at.type === "file" ? at.nextElementSibling : at;
                return [at.id || at.dataset.example || at.value || at.tagName, getComputedStyle(shown).outlineStyle !== "none"];
            }"""
        )
        if name == "BODY":
            break
        assert seen, name
        reached.append(name)
    wanted = ["record", "file", "speech.flac", "music.flac", "rate", "vocab", "play", "coded", "sct", "wav", "json", "share"]
    assert [name for name in reached if name != "SUMMARY"] == wanted
    opened.keyboard.press("2")
    assert opened.is_checked("input[value=semantic]")


def silence(seconds: int) -> dict[str, Any]:
    with io.BytesIO() as sink:
        soundfile.write(sink, np.zeros(8_000 * seconds, np.int16), 8_000, format="WAV", subtype="PCM_U8")
        return {"name": "x.wav", "mimeType": "audio/wav", "buffer": sink.getvalue()}


@needs_node
@pytest.mark.slow
def test_what_cannot_be_done_is_a_sentence_and_nothing_is_lost(opened: Any, expected: Path) -> None:
    whole = (expected / "speech_25.sct").read_bytes()
    foreign = io.BytesIO()
    with io.BytesIO(whole) as source:
        reader = ContainerReader(source)
        writer = ContainerWriter(foreign, replace(reader.header, model="f" * 16))
        for codes in reader.chunks():
            writer.push(codes)
        writer.close(int(reader.samples or 0))
    cases = {
        "longer than ten minutes": silence(601),
        "cannot read that file": {"name": "x.mp3", "mimeType": "audio/mpeg", "buffer": b"nothing"},
        "made by model ffffffffffffffff": {"name": "x.sct", "mimeType": "", "buffer": foreign.getvalue()},
        "is damaged": {"name": "x.sct", "mimeType": "", "buffer": whole[:80] + bytes([whole[80] ^ 1]) + whole[81:]},
    }
    for message, file in cases.items():
        opened.set_input_files("#file", file)
        opened.wait_for_selector(f"#status.failed:has-text('{message}')")
    opened.evaluate(
        "() => { navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', 'NotAllowedError')); }"
    )
    opened.click("#record")
    opened.wait_for_selector("#status.failed:has-text('no microphone that this page may use')")
    opened.evaluate("() => { location.hash = 'AAA*'; }")
    opened.wait_for_selector("#status.failed:has-text('copy all of it')")
    assert opened.is_visible("#result")
    assert "tokens" in opened.inner_text("#facts")


@needs_node
@pytest.mark.slow
def test_a_browser_without_webassembly_is_told(site: str, expected: Path, page: Any) -> None:
    page.add_init_script("delete globalThis.WebAssembly")
    page.goto(site)
    page.set_input_files("#file", expected / "speech_25.sct")
    page.wait_for_selector("#status.failed:has-text('no WebAssembly')")


@needs_node
@pytest.mark.slow
def test_a_gpu_that_cannot_do_it_is_passed_over_without_a_word(site: str, expected: Path, page: Any) -> None:
    """The page is told of an adapter; whatever its worker then finds, nothing or a program in place of a GPU, WASM answers."""
    page.set_default_timeout(PATIENCE)
    page.add_init_script("Object.defineProperty(Navigator.prototype, 'gpu', {value: {requestAdapter: async () => ({})}})")
    asked_of_gpus()
    page.goto(site)
    said = page.evaluate(
        """() => {
            const said = window.said = [];
            new MutationObserver(() => said.push(document.getElementById("status").className)).observe(
                document.getElementById("status"), {attributes: true, childList: true});
            return said;
        }"""
    )
    assert said == []
    page.set_input_files("#file", expected / "speech_25.sct")
    page.wait_for_selector("#status:text-is('Done.')")
    assert "failed" not in page.evaluate("() => window.said")
    assert "/gpu.js" in asked_of_gpus()


@needs_node
@pytest.mark.slow
def test_the_page_codes_in_the_browser_and_without_a_network(site: str, expected: Path, page: Any, tmp_path: Path) -> None:
    def downloaded(link: str) -> Path:
        with page.expect_download() as waiting:
            page.click(link)
        waiting.value.save_as(tmp_path / link[1:])
        return tmp_path / link[1:]

    page.set_default_timeout(PATIENCE)
    asked_of_gpus()
    page.goto(site)
    page.evaluate("() => navigator.serviceWorker.ready.then(() => true)")
    page.focus("[data-example='speech.flac']")
    page.keyboard.press("Enter")
    other = page.context.new_page()
    other.goto(site)  # from here on the page is in the background
    page.wait_for_selector("#status:text-is('Done.')")
    other.close()
    found, wanted = read(downloaded("#sct")), read(expected / "speech_50.sct")
    assert (found.codes != wanted.codes).sum() <= 1, "a rounding may flip one code in thousands"
    assert found.lengths.tolist() == wanted.lengths.tolist()
    assert downloaded("#wav").stat().st_size == 44 + 2 * int(wanted.lengths[0])
    page.click("#play")
    page.wait_for_selector("#play[aria-pressed=true]")  # it ends by itself
    page.keyboard.press("2")
    assert page.is_checked("input[value=semantic]")
    page.keyboard.press("0")
    assert page.is_checked("input[value=original]")
    link = page.get_attribute("#share", "href")
    page.set_input_files("#file", {"name": "x.sct", "mimeType": "", "buffer": (expected / "speech_50.sct").read_bytes()[:-9]})
    page.wait_for_selector("#status.failed")
    assert "truncated" in page.inner_text("#status")
    assert page.is_visible("#result"), "what was there is still there"
    # The link is the sound, and the page needs no network any more.
    page.context.set_offline(True)
    page.goto("about:blank")
    page.goto(site + link)
    page.wait_for_selector("#status:text-is('Done.')")
    assert page.is_disabled("input[value=original]")
    before = (tmp_path / "sct").read_bytes()
    assert downloaded("#sct").read_bytes() == before
    assert not asked_of_gpus(), "there is none"


@needs_node
@pytest.mark.slow
@pytest.mark.skipif(FIREFOX is None, reason="needs Debian's firefox-esr")
def test_the_page_codes_in_firefox(site: str, expected: Path, tmp_path: Path) -> None:
    with Firefox(tmp_path, PATIENCE / 1000) as firefox:
        firefox.open(site)
        done = "document.getElementById('status').textContent === 'Done.'"
        firefox.choose("#file", expected / "speech_25.sct")
        firefox.wait_until(done)
        shown = f"document.getElementById('facts').textContent.includes('{(expected / 'speech_25.sct').stat().st_size} bytes')"
        assert firefox.evaluate(shown)
        firefox.evaluate("document.getElementById('status').textContent = ''; document.querySelector('[data-example]').click()")
        firefox.wait_until(done)
        lines = str(firefox.evaluate("document.getElementById('tokens').textContent")).split("\n")
        found, wanted = np.array([line.split() for line in lines], int), as_array(read(expected / "speech_50.sct").codes)[0]
        assert (found != wanted).sum() <= 1, "a rounding may flip one code in thousands"
