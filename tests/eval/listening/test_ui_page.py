"""``codec ui`` as people use it: driven in a real browser, with codecs that are slow, fail or do as they are told."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from codec.audio.io import read_audio
from codec.baselines.interface import Encoded
from codec.errors import CodecError
from eval.colours import SIGN, colour_of, path_of
from eval.listening import ui
from tests.conftest import DATA
from tests.eval.listening.axe import serious
from tests.eval.listening.conftest import PATIENCE, Steps, fits, serving, there


class Bench:
    """Fake codecs: "slow" waits for `go`, "deep" runs a network meanwhile, "frail" fails until `mended`; others round."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.go = threading.Event()
        self.layer = torch.nn.Identity()
        self.mended = False

    def open(self, name: str, load: object) -> Any:
        bench = self

        class Told(Steps):
            def encode(self, wave: np.ndarray, sample_rate: int) -> Encoded:
                bench.calls.append(name)
                if name == "slow":
                    bench.go.wait(PATIENCE / 1000)
                if name == "deep":
                    while not bench.go.is_set():
                        bench.layer(torch.zeros(1))
                if name == "frail" and not bench.mended:
                    raise CodecError("frail: out of order")
                return super().encode(wave, sample_rate)

            def decode(self, encoded: Encoded) -> np.ndarray:
                return super().decode(encoded) * np.float32(0.5 if name == "quiet" else 1)

        return Told(name, 0.01)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    bench = Bench()
    monkeypatch.setattr("codec.baselines.open_codec", bench.open)
    yield bench
    bench.go.set()


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    wave, rate = read_audio(DATA / "speech.flac")
    path = tmp_path_factory.mktemp("ui") / "short.wav"
    soundfile.write(path, wave[0, : 2 * rate], rate)
    return path


def start(page: Any, address: str, *names: str) -> None:
    """The page with these codecs ticked, and none of ours."""
    page.goto(address)
    page.locator("#ours .choice").nth(2).wait_for()
    for box in page.locator("#ours input").all():
        box.uncheck()
    page.get_by_text("Other codecs", exact=True).click()
    for name in names:
        add(page, name)


def add(page: Any, name: str) -> None:
    page.get_by_placeholder("by its name").fill(name)
    page.get_by_role("button", name="Add").click()


def panel(page: Any, name: str) -> Any:
    return page.get_by_role("article", name=name, exact=True)


def test_queue_keeps_what_is_done_and_goes_on_after_a_failure(page: Any, short: Path, bench: Bench) -> None:
    with serving(ui.make_ui(), page) as address:
        start(page, address, "first", "slow", "frail", "last")
        page.get_by_label("Choose a file").set_input_files(short)
        panel(page, "first").wait_for()
        slow = page.locator(".chip", has_text="slow")
        slow.get_by_text("encoding").wait_for()
        add(page, "more")  # ticked while another one runs
        page.locator("#others input[value=first]").uncheck()
        there(panel(page, "first"), 0)
        page.locator("#others input[value=first]").check()
        panel(page, "first").wait_for()
        page.locator(".chip", has_text="last").get_by_role("button", name="Cancel last").click()
        there(page.locator("#others input[value=last]:not(:checked)"), 1)
        bench.go.set()
        panel(page, "slow").wait_for()
        panel(page, "more").wait_for()
        frail = page.locator(".chip", has_text="frail")
        frail.get_by_text("frail: out of order", exact=True).wait_for()
        assert bench.calls == ["first", "slow", "frail", "more"]
        there(page.locator(".chip"), 1)
        bench.mended = True
        frail.get_by_role("button", name="Try again").click()
        panel(page, "frail").wait_for()
        page.locator("#queue").wait_for(state="hidden")
        assert bench.calls == ["first", "slow", "frail", "more", "frail"]


def test_cancelled_work_ends_and_another_sound_starts_afresh(page: Any, short: Path, bench: Bench) -> None:
    with serving(ui.make_ui(), page) as address:
        start(page, address, "slow", "next")
        page.get_by_label("Choose a file").set_input_files(short)
        page.locator(".chip", has_text="slow").get_by_text("encoding").wait_for()
        page.get_by_role("button", name="Cancel slow").click()
        bench.go.set()
        panel(page, "next").wait_for()
        there(panel(page, "slow"), 0)
        page.get_by_role("button", name="an alarm clock").click()
        page.get_by_text("an alarm clock: 6.").wait_for()
        page.wait_for_function("() => Math.abs(player.duration - 6.1) < 0.1 && player.buffers.size === 2")
        assert bench.calls == ["slow", "next", "next"]


def test_work_of_networks_is_cancelled_in_its_midst(page: Any, short: Path, bench: Bench) -> None:
    with serving(ui.make_ui(), page) as address:
        start(page, address, "deep", "next")
        page.get_by_label("Choose a file").set_input_files(short)
        page.locator(".chip", has_text="deep").get_by_text("encoding").wait_for()
        page.get_by_role("button", name="Cancel deep").click()
        panel(page, "next").wait_for()
        there(panel(page, "deep"), 0)
        assert bench.calls == ["deep", "next"]


def test_large_files_and_files_that_only_the_browser_reads(
    page: Any, bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wave, rate = read_audio(DATA / "music.flac")
    large = tmp_path / "large.wav"
    with soundfile.SoundFile(large, "w", rate, 2, "PCM_16") as target:
        for _ in range(125):
            target.write(wave.T)
    assert large.stat().st_size > 105e6
    sent: list[int] = []
    read, picky = ui.read_sound, threading.Event()

    def watched(data: bytes, name: str, shelf: Any) -> Any:
        sent.append(len(data))
        if picky.is_set() and data[:4] != b"RIFF":
            raise CodecError(f"{name}: not audio that can be read here")
        return read(data, name, shelf)

    monkeypatch.setattr(ui, "read_sound", watched)
    with serving(ui.make_ui(), page) as address:
        start(page, address)
        page.get_by_label("Choose a file").set_input_files(large)
        page.get_by_text("large.wav: 60.0 s at 44.1 kHz").wait_for()
        assert sent == [48 << 20]

        picky.set()
        page.get_by_label("Choose a file").set_input_files(DATA / "music.flac")
        page.get_by_text(re.compile(r"music.flac: 5.0 s")).wait_for()

        notes = tmp_path / "notes.txt"
        notes.write_text("no audio at all")
        page.get_by_label("Choose a file").set_input_files(notes)
        alert = page.get_by_role("alert")
        alert.get_by_text("notes.txt: not audio").wait_for()
        page.get_by_text("music.flac is still open").wait_for()
        there(panel(page, "original"), 1)
        alert.get_by_role("button", name="Dismiss").click()
        there(alert, 0)
        page.get_by_label("Choose a file").set_input_files(notes)
        alert.wait_for()
        page.get_by_label("Choose a file").set_input_files(DATA / "speech.flac")
        page.get_by_text("speech.flac: 4.6 s").wait_for()
        there(alert, 0)  # what is over goes away
    page.problems[:] = [p for p in page.problems if "422" not in p]


def test_a_new_codec_moves_neither_the_loop_nor_the_place(page: Any, short: Path, bench: Bench) -> None:
    with serving(ui.make_ui(), page) as address:
        start(page, address, "one")
        page.get_by_label("Choose a file").set_input_files(short)
        panel(page, "one").wait_for()
        page.evaluate("() => { player.setLoop(0.5, 1.3); return player.play('one'); }")
        page.wait_for_function("() => player.position > 0.5")
        page.evaluate(WATCH)
        add(page, "two")
        panel(page, "two").wait_for()
        page.wait_for_function("() => player.buffers.has('two') && watched.steps > 20")
        assert page.evaluate("() => [player.loop, player.playing, player.current, watched.jumps]") == [
            [0.5, 1.3], True, "one", 0,
        ]  # fmt: skip


WATCH = """() => {
  window.watched = { jumps: 0, steps: 0 };
  let [time, place] = [player.context.currentTime, player.position];
  (function look() {
    const [now, here] = [player.context.currentTime, player.position];
    const moved = (here - place - (now - time)) / 0.8;  // in rounds of the loop
    if (Math.abs(moved - Math.round(moved)) > 0.01) watched.jumps += 1;
    watched.steps += 1;
    [time, place] = [now, here];
    requestAnimationFrame(look);
  })();
}"""


def test_all_are_equally_loud_and_that_can_be_switched_off(page: Any, short: Path, bench: Bench) -> None:
    with serving(ui.make_ui(), page) as address:
        start(page, address, "quiet")
        page.get_by_label("Choose a file").set_input_files(short)
        panel(page, "quiet").wait_for()
        ratio = "() => player.levels.get('quiet') / player.levels.get('original')"
        assert page.evaluate(ratio) == pytest.approx(2, abs=0.05)
        assert page.evaluate("() => player.levels.get('original')") <= 1
        page.get_by_label("All equally loud").uncheck()
        page.wait_for_function("() => player.levels.size === 0")


def test_panels_by_keyboard_and_pointer_downloads_and_our_own_rates(page: Any, short: Path, tmp_path: Path) -> None:
    with serving(ui.make_ui(), page) as address:
        page.goto(address)
        cards = page.locator("#ours .choice")
        cards.nth(3).wait_for()
        assert [" ".join(card.inner_text().split()) for card in cards.all()][:3] == [
            "100 tokens/s 1.30 kbps · 9.8 kB a minute",
            "50 tokens/s 0.65 kbps · 4.9 kB a minute",
            "25 tokens/s 0.33 kbps · 2.4 kB a minute",
        ]
        cards.nth(0).click()
        cards.nth(2).click()
        page.get_by_label("Semantic vocabulary").select_option("4096")
        page.get_by_label("Choose a file").set_input_files(short)
        ours = panel(page, "semcodec@50,vocab=4096")
        ours.get_by_text(re.compile(r"50 tokens/s · 0.63 kbps · file \d+ bytes")).wait_for()
        ours.get_by_text(re.compile(r"mel distance \d.\d\d, here \d.\d\d")).wait_for()
        assert ours.locator(".times").inner_text().split() == ["0", "s", "0.5", "1", "1.5"], "a time axis"
        assert re.fullmatch(r"−95\s*−20 dB", ours.locator(".scale").inner_text()), "what colours mean"
        assert page.eval_on_selector_all("canvas.tokens", "grids => grids.map(g => [g.width, g.height])") == [[50, 2]]

        seek = ours.get_by_role("slider")
        seek.focus()
        page.keyboard.press("ArrowRight")
        page.wait_for_function("() => Math.abs(player.position - 1) < 0.01")
        page.keyboard.press("Enter")
        page.wait_for_function("() => player.current === 'semcodec@50,vocab=4096' && player.playing")
        page.keyboard.press("0")
        page.wait_for_function("() => player.current === 'original'")
        page.keyboard.press(" ")
        page.wait_for_function("() => !player.playing")
        box = seek.bounding_box()
        page.mouse.click(box["x"] + box["width"] / 4, box["y"] + 20)
        page.wait_for_function("() => player.current !== 'original' && player.position > 0.45 && player.position < 0.9")
        page.mouse.move(box["x"] + box["width"] * 0.755, box["y"] + box["height"] - 5)
        ours.get_by_text("token 38 of 50 at 1.48 s: semantic").wait_for()

        for kind in ("wav", "sct", "json"):
            with page.expect_download() as download:
                ours.get_by_role("link", name=f".{kind}").click()
            assert download.value.suggested_filename == f"short.semcodec@50,vocab=4096.{kind}"
            download.value.save_as(tmp_path / f"x.{kind}")
        page.get_by_label("Choose a file").set_input_files(tmp_path / "x.sct")
        page.get_by_text("x.sct: 2.0 s").wait_for()
        panel(page, "decoded").get_by_text("50 tokens/s · 0.63 kbps").wait_for()
        there(page.locator(".panel"), 1)


def test_blind(page: Any, short: Path, bench: Bench) -> None:
    with serving(ui.make_ui(), page) as address:
        start(page, address, "one", "two")
        page.get_by_label("Choose a file").set_input_files(short)
        panel(page, "two").wait_for()
        page.get_by_role("button", name="Without names").click()
        dialog = page.get_by_role("dialog")
        assert not re.search(r"\bone\b|\btwo\b", dialog.inner_text())
        page.keyboard.press("0")  # the original, as on every page
        page.wait_for_function("() => player.playing && player.current === 'original'")
        dialog.locator("[data-track=R][aria-pressed=true]").wait_for()
        page.keyboard.press("b")
        page.wait_for_function("() => player.playing && ['one', 'two'].includes(player.current)")
        heard = page.evaluate("() => player.current")
        dialog.get_by_role("button", name="B is closest").click()
        dialog.get_by_text(f"{heard}: closest in 1 of 1").wait_for()
        assert not serious(page)
        dialog.get_by_role("button", name="ABX", exact=True).click()
        dialog.get_by_label("Sound B").select_option("two")
        for _ in range(10):
            page.keyboard.press("x")
            letter = "A" if page.evaluate("() => player.current") == "original" else "B"
            dialog.get_by_role("button", name=f"X is {letter}").click()
        dialog.get_by_text("10 of 10; by guessing as many or more in under 0.1 % of tests").wait_for()
        page.keyboard.press("Escape")
        there(dialog, 0)


def test_a_recording_shows_its_level_and_its_length(page: Any, bench: Bench) -> None:
    with serving(ui.make_ui(), page) as address:
        start(page, address, "one")
        page.get_by_role("button", name="Record").click()  # the browser's own test tone
        page.wait_for_function("() => document.getElementById('level').value > 0.1")
        page.wait_for_function("() => parseFloat(document.getElementById('recorded').textContent) > 0.6")
        page.get_by_role("button", name="Stop").click()
        page.get_by_text(re.compile(r"Recording: \d")).wait_for()
        panel(page, "one").wait_for()


def test_codecs_have_the_colours_and_markers_of_the_plots_and_the_bar_stays_in_sight(
    page: Any, short: Path, bench: Bench
) -> None:
    with serving(ui.make_ui(), page) as address:
        start(page, address, "one", "opus@6")
        page.get_by_label("Choose a file").set_input_files(short)
        for name in ("original", "one", "opus@6"):
            for place in (panel(page, name), page.locator("#transport button", has_text=name)):
                sign = place.locator(".sign path").first
                sign.wait_for(state="attached")
                assert (sign.get_attribute("fill"), sign.get_attribute("d")) == (colour_of(name), path_of(name, SIGN))
        page.set_viewport_size({"width": 390, "height": 500})
        panel(page, "opus@6").locator("footer").scroll_into_view_if_needed()
        page.wait_for_function(
            "() => scrollY > 300 && Math.abs(document.getElementById('transport').getBoundingClientRect().top) < 1"
        )


def test_an_upload_tells_how_far_it_is(page: Any, short: Path, bench: Bench) -> None:
    page.add_init_script(WATCH_UPLOAD)
    with serving(ui.make_ui(), page) as address:
        start(page, address)
        page.get_by_label("Choose a file").set_input_files(short)
        page.get_by_text("short.wav: 2.0 s").wait_for()
        page.locator("#sent").wait_for(state="hidden")
        assert page.evaluate("() => shares.at(-1)") == 1
        assert page.evaluate("() => shares.every((share, i) => !i || share >= shares[i - 1])")


WATCH_UPLOAD = """
  window.shares = [];
  const { set } = Object.getOwnPropertyDescriptor(HTMLProgressElement.prototype, "value");
  Object.defineProperty(HTMLProgressElement.prototype, "value", { set(share) {
    if (this.id === "sent") window.shares.push(share);
    set.call(this, share);
  } });
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_that_hinders_people(page: Any, short: Path, bench: Bench, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    with serving(ui.make_ui(), page) as address:
        start(page, address, "one", "frail")
        page.get_by_label("Choose a file").set_input_files(short)
        page.get_by_text("out of order").wait_for()
        assert not serious(page)
        fits(page, 390)
        assert not serious(page)
