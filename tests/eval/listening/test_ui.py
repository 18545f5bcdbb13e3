"""``codec ui`` and the demo page, driven in a real browser with the shipped model."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from fastapi.testclient import TestClient

import codec
from codec.audio.io import read_audio
from codec.baselines.interface import Encoded
from codec.data.testsets import Clip
from codec.errors import CodecError
from eval.listening import ui
from eval.listening.demo import write_demo
from tests.conftest import DATA
from tests.eval.listening.conftest import COARSE, FINE, Steps, serving


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    wave, rate = read_audio(DATA / "speech.flac")
    path = tmp_path_factory.mktemp("ui") / "short.wav"
    soundfile.write(path, wave[0, : 2 * rate], rate)
    return path


def test_try_a_file_and_a_recording(page: Any, short: Path) -> None:
    with serving(ui.make_ui(), page) as address:
        page.goto(address)
        page.get_by_label("semcodec@100").uncheck()
        page.get_by_label("semcodec@25").uncheck()
        page.get_by_label("Choose a file").set_input_files(short)
        fifty = page.locator("article", has_text="semcodec@50")
        fifty.get_by_text("100 tokens, 50 a second").wait_for()
        tokens = codec.load(rate=50).encode(*read_audio(short))
        path = short.with_suffix(".sct")
        codec.save(tokens, path)
        assert f"0.65 kbps · {path.stat().st_size} bytes" in fifty.inner_text()
        # Both log-spectrograms are pictures of something, and so is the token grid: one cell a token.
        assert page.locator("canvas.spectrogram").count() == 2
        assert min(page.eval_on_selector_all("canvas.spectrogram", COLOURS)) > 50
        assert page.eval_on_selector_all("canvas.tokens", "grids => grids.map(g => [g.width, g.height])") == [[50, 2]]

        page.locator("#toggle").click()  # switched in place, while it plays
        page.wait_for_function("() => player.position > 0.2")
        before, after = page.evaluate(
            """() => { const before = player.position; document.querySelectorAll('.sound')[1].click();
            return [before, player.position]; }"""
        )
        assert after - before < 0.02
        page.wait_for_function("() => player.current === 'semcodec@50' && player.playing")
        page.keyboard.press("1")
        page.wait_for_function("() => player.current === 'original' && player.playing")

        page.get_by_placeholder("another one").fill("semcodec@51")
        page.get_by_role("button", name="Add").click()
        page.get_by_text("51 is not one of").wait_for()

        dropped = page.evaluate_handle(
            "() => { const t = new DataTransfer(); t.items.add(new File(['no audio at all'], 'notes.txt')); return t; }"
        )
        page.dispatch_event("#drop", "drop", {"dataTransfer": dropped})
        page.get_by_text("not a readable audio file").wait_for()

        page.get_by_role("button", name="Record").click()  # the browser's own test tone
        page.get_by_text("Recording, 30 s").wait_for()
        page.evaluate("() => new Promise((done) => setTimeout(done, 600))")  # of sound, not of waiting for something
        page.get_by_role("button", name="Stop").click()
        page.get_by_text(re.compile(r"Recording: \d")).wait_for()
        page.locator("article", has_text="semcodec@50").get_by_text("a second").wait_for()
    page.problems[:] = [p for p in page.problems if "422" not in p]


COLOURS = """canvases => canvases.map((c) =>
  new Set(new Uint32Array(c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer)).size)"""


def test_ui_refuses_what_it_should(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = TestClient(ui.make_ui())
    ours = {"x-codec": "ui"}
    assert (
        client.post("/api/sounds", content=short.read_bytes()).status_code == 403
    )  # another site's page cannot send the header
    assert client.get("/", headers={"host": "evil.example"}).status_code == 400  # nor rebind its own name to this machine
    for body, message in ((b"", "empty"), (b"not audio at all", "not"), (_wav(np.zeros(10)), "next to nothing")):
        answer = client.post("/api/sounds", content=body, headers=ours)
        assert answer.status_code == 422
        assert message in answer.json()["detail"]
        assert "/tmp" not in answer.json()["detail"]
    sound = client.post("/api/sounds", content=_wav(np.random.default_rng(0).normal(0, 0.1, 8000)), headers=ours).json()
    assert sound == {"id": 1, "seconds": 0.5, "sample_rate": 16_000}
    assert client.post("/api/sounds/1", params={"name": "nonsense@3"}, headers=ours).status_code == 422
    assert client.post("/api/sounds/2", params={"name": "semcodec@50"}, headers=ours).status_code == 404
    assert client.get("/api/sounds/1/1.wav").status_code == 404
    assert client.get("/api/sounds/1/0.wav").content[:4] == b"RIFF"
    monkeypatch.setattr(ui, "MAX_OUTPUTS", 0)
    assert client.post("/api/sounds/1", params={"name": "semcodec@50"}, headers=ours).status_code == 409
    assert [c["name"] for c in client.get("/api/codecs").json()][:3] == ["semcodec@100", "semcodec@50", "semcodec@25"]


def test_a_codec_that_fails_is_named(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(Steps):
        def encode(self, wave: np.ndarray, sample_rate: int) -> Encoded:
            raise RuntimeError("no such device")

    monkeypatch.setattr("codec.baselines.open_codec", lambda name: Broken(name, 0.1))
    client = TestClient(ui.make_ui())
    client.post("/api/sounds", content=short.read_bytes(), headers={"x-codec": "ui"})
    answer = client.post("/api/sounds/1", params={"name": "frail"}, headers={"x-codec": "ui"})
    assert (answer.status_code, answer.json()) == (422, {"detail": "frail failed (RuntimeError: no such device)"})


def test_only_the_first_minute_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ui, "MAX_SECONDS", 0.25)
    assert len(ui.read_sound(_wav(np.ones(16_000))).wave) == 4_000


def _wav(wave: np.ndarray) -> bytes:
    import io

    buffer = io.BytesIO()
    soundfile.write(buffer, wave, 16_000, format="WAV")
    return buffer.getvalue()


def test_demo_page(page: Any, recordings: list[Clip], tmp_path: Path) -> None:
    write_demo(tmp_path / "demo", recordings, [FINE, COARSE], {"speech": 1, "music": 1}, "A <title>")
    assert len(list((tmp_path / "demo").glob("*.flac"))) == len(list((tmp_path / "demo").glob("*.png"))) == 6
    app = FastAPI()
    app.mount("/", StaticFiles(directory=tmp_path / "demo", html=True))
    with serving(app, page) as address:
        page.goto(address)
        assert page.title() == "A <title>"
        assert page.locator("section h2").all_inner_texts() == ["Speech", "Music"]
        assert page.locator("article .label").all_text_contents()[:2] == ["original ", "fine 1.00 kbps"]
        speech, music = page.locator("article").all()
        speech.locator(".cell").nth(0).click()
        page.wait_for_function("() => document.querySelector('audio').currentTime > 0.3")
        switched = page.evaluate(
            """() => { const [a, b] = document.querySelectorAll('audio'); const before = a.currentTime;
            document.querySelectorAll('.cell')[1].click(); return [before, b.currentTime, a.paused]; }"""
        )
        assert abs(switched[0] - switched[1]) < 0.02
        assert switched[2]
        page.wait_for_function("() => document.querySelectorAll('.cell')[1].getAttribute('aria-pressed') === 'true'")
        music.locator(".cell").nth(2).click()
        playing = "() => [...document.querySelectorAll('audio')].map((a, i) => a.paused ? -1 : i).filter((i) => i >= 0).join()"
        page.wait_for_function(f"() => ({playing})() === '5'")
        page.keyboard.press(" ")
        page.wait_for_function(f"() => ({playing})() === ''")


def test_demo_page_of_nothing(recordings: list[Clip], tmp_path: Path) -> None:
    for message, codecs, counts in (
        ("no sound clips", [FINE], {"sound": 1}),
        ("only 3 usable", [FINE], {"speech": 4}),
        ("random weights", [Steps("x", 0.1, trained=False)], {"speech": 1}),
        ("at least one", [], {"speech": 1}),
    ):
        with pytest.raises(CodecError, match=message):
            write_demo(tmp_path / "demo", recordings, codecs, counts, "t")
    assert not list(tmp_path.iterdir())
