"""The server of ``codec ui`` with the shipped model, and the demo page in a real browser."""

from __future__ import annotations

import io
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from fastapi.testclient import TestClient

import codec
from codec.audio.io import read_audio
from codec.baselines import open_codec
from codec.baselines.interface import Encoded
from codec.data.testsets import Clip
from codec.errors import CodecError
from codec.hub import load_codec
from eval.colours import colour_of
from eval.listening import ui, workbench
from eval.listening.demo import write_demo
from eval.listening.web import PAGE
from eval.listening.workbench import Shelf, level
from eval.reconstruction.spectral import mel_distance
from tests.conftest import DATA
from tests.eval.listening.axe import serious
from tests.eval.listening.conftest import COARSE, FINE, Steps, fits, serving

OURS = {"x-codec": "ui"}


@pytest.fixture
def client() -> TestClient:
    return TestClient(ui.make_ui())


def lines(client: TestClient, number: int, name: str) -> list[dict[str, Any]]:
    answer = client.post(f"/api/sounds/{number}", params={"name": name}, headers=OURS)
    assert answer.status_code == 200
    return [json.loads(line) for line in answer.text.splitlines()]


def test_refuses_what_it_should(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    speech = (DATA / "speech.flac").read_bytes()
    assert client.post("/api/sounds", content=speech).status_code == 403  # another site's page cannot send the header
    assert client.get("/", headers={"host": "evil.example"}).status_code == 400  # nor rebind its own name to this machine
    broken = b"\x8bSCT" + bytes(60)
    for body, message in ((b"", "empty"), (b"not audio at all", "not"), (_wav(np.zeros(10)), "next to nothing"), (broken, "")):
        answer = client.post("/api/sounds", params={"name": "my.thing"}, content=body, headers=OURS)
        assert answer.status_code == 422
        assert answer.json()["detail"].startswith("my.thing: ")
        assert message in answer.json()["detail"]
        assert "/tmp" not in answer.json()["detail"]
    noise = _wav(np.random.default_rng(0).normal(0, 0.1, 8000))
    sound = client.post("/api/sounds", content=noise, headers=OURS).json()
    assert {key: sound[key] for key in ("id", "seconds", "sample_rate", "source")} == {
        "id": 1, "seconds": 0.5, "sample_rate": 16_000, "source": None,
    }  # fmt: skip
    assert "unknown" in lines(client, 1, "nonsense@3")[-1]["error"]
    assert client.post("/api/sounds/2", params={"name": "semcodec@50"}, headers=OURS).status_code == 404
    for place in ("1/1.wav", "1/0.sct", "1/0.json", "1/0.exe", "1/-1.wav"):
        assert client.get(f"/api/sounds/{place}").status_code in (404, 422)
    assert client.get("/api/sounds/1/0.wav").content[:4] == b"RIFF"
    assert client.post("/api/examples/..%2Fui.html", headers=OURS).status_code == 404
    monkeypatch.setattr(ui, "MAX_OUTPUTS", 0)
    assert "enough" in lines(client, 1, "semcodec@50")[-1]["error"]


def test_what_comes_back_can_be_saved_and_opened_again(client: TestClient, tmp_path: Path) -> None:
    sound = client.post("/api/sounds", params={"name": "a.flac"}, content=(DATA / "speech.flac").read_bytes(), headers=OURS)
    told = lines(client, sound.json()["id"], "semcodec@50,vocab=4096")
    assert [one["step"] for one in told[:-2]] == ["loading", "encoding", "decoding"]
    facts, distance = told[-2]["done"], told[-1]["distances"]
    tokens = codec.load(rate=50, vocab=4096).encode(*read_audio(DATA / "speech.flac"))
    assert facts["codes"] == tokens.codes[0].tolist()
    assert (facts["rate"], facts["kbps"]) == (50, tokens.bitrate / 1000)  # of the tokens, also where a clip fills no frame
    saved = client.get(f"/{facts['place']}.sct").content
    codec.save(tokens, tmp_path / "x.sct")
    assert saved == (tmp_path / "x.sct").read_bytes()
    assert facts["bytes"] == len(saved)
    assert client.get(f"/{facts['place']}.json").json()["codes"] == facts["codes"]
    heard, rate = soundfile.read(io.BytesIO(client.get(f"/{facts['place']}.wav").content), dtype="float32")
    original, _ = read_audio(DATA / "speech.flac")
    pair = torch.from_numpy(original), torch.from_numpy(heard)[None]
    assert distance["mel_distance"] == pytest.approx(float(mel_distance(*pair)[0]), abs=0.02)
    assert np.mean(distance["pieces"]) == pytest.approx(distance["mel_distance"], rel=0.25)
    equal = level(heard * 10 ** (facts["gain"] / 20), rate) - level(original[0], rate)
    assert abs(equal) < 0.1

    opened = client.post("/api/sounds", params={"name": "b.sct"}, content=saved, headers=OURS).json()
    assert opened["source"]["codes"] == facts["codes"]
    again, _ = soundfile.read(io.BytesIO(client.get(f"/api/sounds/{opened['id']}/0.wav").content), dtype="float32")
    assert np.abs(again - heard).max() < 1e-3
    assert client.get(f"/api/sounds/{opened['id']}/0.sct").content == saved


def test_models_are_loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[object] = []
    monkeypatch.setattr("codec.hub.load_codec", lambda *a, load=load_codec: loaded.append(a) or load(*a))
    shelf = Shelf()
    codecs = [shelf.codec(name) for name in ("semcodec@100", "semcodec@50,vocab=32768", "semcodec@25", "semcodec@100")]
    assert len(loaded) == 1
    assert [c.bitrate for c in codecs[:3]] == [open_codec(c.name).bitrate for c in codecs[:3]]
    assert codecs[3] is codecs[0]


def test_the_second_codec_builds_and_loads_nothing() -> None:
    desk, built = ui.Desk(), []
    desk.add((PAGE / "examples" / "speech.flac").read_bytes(), "x")
    sound = desk.find(1)
    assert sound is not None
    module = torch.nn.modules.module
    hooks = [
        module.register_module_module_registration_hook(lambda *told: built.append(told)),
        module.register_module_parameter_registration_hook(lambda *told: built.append(told)),
    ]
    try:
        assert "done" in list(desk.work(1, sound, "semcodec@50", threading.Event()))[-2]
        assert built
        built.clear()
        for name in ("semcodec@25", "semcodec@100,vocab=4096", "semcodec@50,semantic"):
            assert "done" in list(desk.work(1, sound, name, threading.Event()))[-2]
        assert not built
    finally:
        for hook in hooks:
            hook.remove()


def test_finished_work_is_kept_and_failures_are_named(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    class Fragile(Steps):
        def encode(self, wave: np.ndarray, sample_rate: int) -> Encoded:
            calls.append(self.name)
            if self.name == "frail":
                raise RuntimeError("no such device")
            return super().encode(wave, sample_rate)

    monkeypatch.setattr("codec.baselines.open_codec", lambda name, load: Fragile(name, 0.1))
    client.post("/api/examples/speech.flac", headers=OURS)
    assert lines(client, 1, "frail")[-1] == {"error": "frail failed (RuntimeError: no such device)"}
    first, second = lines(client, 1, "sound"), lines(client, 1, "sound")
    assert second == first[-2:]
    assert calls == ["frail", "sound"]


def test_work_that_nobody_waits_for_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codec.baselines.open_codec", lambda name, load: Steps(name, 0.1))
    desk = ui.Desk()
    desk.add((DATA / "speech.flac").read_bytes(), "x")
    sound = desk.find(1)
    assert sound is not None
    first = desk.work(1, sound, "first", threading.Event())
    assert next(first) == {"step": "loading"}
    second = desk.work(1, sound, "second", threading.Event())
    assert next(second) == {"step": "waiting"}
    first.close()
    assert not sound.outputs
    assert "done" in list(second)[-2]


class Work(threading.Thread):
    """A desk's work on a recording, in a thread of its own, until it is stopped."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.desk, self.stop, self.told = ui.Desk(), threading.Event(), []
        self.desk.add((DATA / "speech.flac").read_bytes(), "x")
        sound = self.desk.find(1)
        assert sound is not None
        self.sound, self.codec = sound, name
        self.start()

    def run(self) -> None:
        self.told.extend(self.desk.work(1, self.sound, self.codec, self.stop))

    def stopped(self) -> list[str]:
        """The steps that were begun; others have their turn afterwards."""
        self.stop.set()
        self.join(60)
        assert not self.is_alive()
        assert not self.sound.outputs
        assert next(self.desk.work(1, self.sound, self.codec, threading.Event())) == {"step": "loading"}
        return [one["step"] for one in self.told]


def until_stopped(something: Callable[[], object]) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        something()
    raise AssertionError("nobody stopped it")


def test_networks_stop_in_their_midst(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = threading.Event()
    layer = torch.nn.Identity()

    class Deep(Steps):
        def encode(self, wave: np.ndarray, sample_rate: int) -> Encoded:
            begun.set()
            until_stopped(lambda: layer(torch.zeros(1)))
            raise AssertionError

    monkeypatch.setattr("codec.baselines.open_codec", lambda name, load: Deep(name, 0.1))
    work = Work("deep")
    assert begun.wait(30)
    layer(torch.zeros(1))  # of another thread, which goes on
    assert work.stopped() == ["loading", "encoding"]
    layer(torch.zeros(1))


@pytest.mark.parametrize("kind", ["modules", "weights"])
def test_loading_stops_in_its_midst(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = threading.Event()
    layer = torch.nn.Linear(2, 2)

    def build() -> None:
        torch.nn.Sequential(torch.nn.Identity())

    def fill() -> None:
        layer.weight = torch.nn.Parameter(torch.zeros(2, 2))

    def open_slowly(name: str, load: object) -> Any:
        begun.set()
        until_stopped({"modules": build, "weights": fill}[kind])

    monkeypatch.setattr("codec.baselines.open_codec", open_slowly)
    work = Work("large")
    assert begun.wait(30)
    build()
    fill()
    assert work.stopped() == ["loading"]
    build()
    fill()


def test_programs_are_killed_in_their_midst(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    begun, script = tmp_path / "begun", tmp_path / "opusenc"
    wait = f"import os, sys, time\nif '--version' in sys.argv: sys.exit()\nopen({str(begun)!r}, 'w').write(str(os.getpid()))\n"
    script.write_text(f"#!{sys.executable}\n{wait}time.sleep(300)\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    work = Work("opus@6")
    while not (begun.exists() and begun.read_text()):
        time.sleep(0.02)
        assert work.is_alive(), work.told
    assert work.stopped() == ["loading", "encoding"]
    with pytest.raises(ProcessLookupError):
        os.kill(int(begun.read_text()), 0)


def test_only_the_first_minute_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(workbench, "MAX_SECONDS", 0.28)
    assert len(workbench.read_sound(_wav(np.ones(16_000)), "x", Shelf()).wave) == 4_480
    codec.save(codec.load().encode(np.zeros(16_000, np.float32), 16_000), tmp_path / "x.sct")
    assert len(workbench.read_sound((tmp_path / "x.sct").read_bytes(), "x", Shelf()).wave) == 4_480


def _wav(wave: np.ndarray) -> bytes:
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
        assert page.locator(".sign path").nth(1).get_attribute("fill") == colour_of("fine")
        assert not serious(page)
        page.emulate_media(color_scheme="dark")
        fits(page, 390)
        assert not serious(page)
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
        page.keyboard.press("0")  # the original, as on every page
        page.wait_for_function(f"() => ({playing})() === '3'")
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
