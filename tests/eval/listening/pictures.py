"""Takes the pictures in ``docs/images/listening``: ``python -m tests.eval.listening.pictures``."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from PIL import Image
from playwright.sync_api import sync_playwright

from codec.baselines import open_codec
from codec.data.testsets import clips_of
from eval.listening.analyse import analyse, plot
from eval.listening.demo import write_demo
from eval.listening.make import Recipe, make_study
from eval.listening.server import make_app
from eval.listening.study import REFERENCE, Mode, load_study
from eval.listening.ui import make_ui
from tests.eval.listening.conftest import CHROMIUM, FLAGS, serving, write_recordings
from tests.eval.listening.rater import on_trial, practise, set_up, take_part, with_loudspeakers
from tests.eval.listening.test_analysis import fill

FOLDER = Path(__file__).parents[3] / "docs" / "images" / "listening"
CODECS = ("semcodec@100", "semcodec@50", "semcodec@25")
MODES: tuple[Mode, ...] = ("ab", "acr", "bs1116", "abx")
WIDE = {"width": 1180, "height": 900}
DESKTOP, PHONE = {"width": 1000, "height": 760}, {"width": 390, "height": 760}
VIEWS = (("desktop", DESKTOP, "light"), ("phone", PHONE, "dark"))
"""Every page is seen twice: by day on a desktop, by night on a phone."""


def main() -> None:
    """Makes a study, a demo page and the page to try codecs, and photographs them."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        root = Path(scratch)
        clips = clips_of(str(write_recordings(root / "data", seconds=4)))
        codecs = [open_codec(name) for name in CODECS]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        make_study(root / "study", clips, codecs, Recipe({"speech": 2, "music": 1}, title="Codecs at one kilobit"))
        app = make_app(root / "study")
        with serving(app) as address:
            link = f"{address}/#join={load_study(root / 'study').invite}"
            for name, *view in VIEWS:
                take_test(new_page(browser, *view), link, name)
            for name, *view in VIEWS:
                page = new_page(browser, *view)
                page.goto(f"{address}/watch#{app.state.watch}")
                page.get_by_role("heading", name="2 raters, 2 finished").wait_for()
                take(page, f"watch-{name}")
        for mode in MODES:
            make_study(root / mode, clips, codecs[:2], Recipe({"speech": 1}, mode, "Codecs at one kilobit"))
            with serving(make_app(root / mode)) as address:
                for name, *view in VIEWS:
                    link = f"{address}/#join={load_study(root / mode).invite}"
                    answer_one(new_page(browser, *view), link, f"{mode}-{name}")
        draw_plot(root, clips, codecs)
        write_demo(root / "demo", clips, codecs, {"speech": 1, "music": 1}, "semcodec")
        app = FastAPI()
        app.mount("/", StaticFiles(directory=root / "demo", html=True))
        with serving(app) as address:
            for name, *view in VIEWS:
                page = new_page(browser, *view)
                page.goto(address, wait_until="networkidle")
                page.locator(".cell").nth(1).click()
                page.wait_for_function("() => document.querySelectorAll('audio')[1].currentTime > 0.5")
                take(page, f"demo-{name}")
        try_codecs(browser)
        browser.close()


def try_codecs(browser: Any) -> None:
    """The page to try codecs on: on a desktop by day and by night, and on a phone."""
    with serving(make_ui()) as address:
        for name, size, scheme in (("desktop", WIDE, "light"), ("desktop-dark", WIDE, "dark"), ("phone", PHONE, "dark")):
            page = new_page(browser, size, scheme)
            page.goto(address)
            page.get_by_role("button", name="a voice").click()
            for rate in (100, 50, 25):
                page.get_by_role("article", name=f"semcodec@{rate}", exact=True).get_by_text("mel distance").wait_for()
            page.locator("#toggle").click()
            page.keyboard.press("2")
            page.evaluate("() => player.setLoop(0.8, 2.6)")
            page.wait_for_function("() => player.position > 1")
            page.locator("#toggle").click()
            take(page, f"ui-{name}", 1680)


def new_page(browser: Any, size: dict[str, int], scheme: str = "light") -> Any:
    """A window; patient."""
    page = browser.new_context(viewport=size, color_scheme=scheme).new_page()
    page.set_default_timeout(300_000)
    return page


def take_test(page: Any, link: str, name: str) -> None:
    """From the invitation to the thanks."""
    page.goto(link)
    page.get_by_label("Your name").wait_for()
    take(page, f"welcome-{name}")
    take_part(page, name)
    set_up(page, lambda what: take(page, f"{what}-{name}"))
    page.get_by_role("button", name="Play", exact=True).wait_for()
    take(page, f"practice-{name}")
    practise(page, "ABCDEF")
    on_trial(page, 1)
    for letter, presses in zip("ABCDEF", (4, 10, 6, 7, 2, 9), strict=True):
        page.keyboard.press(letter)
        for _ in range(presses):
            page.keyboard.press("PageUp")
    page.keyboard.press("C")
    page.evaluate("() => player.setLoop(0.3 * player.duration, 0.75 * player.duration)")
    page.wait_for_function("() => player.position > 0.5 * player.duration")
    take(page, f"trial-{name}")
    for number in (2, 3):
        page.keyboard.press("Enter")
        on_trial(page, number)
        for letter in "ABCDEF":
            page.keyboard.press(letter)
            page.keyboard.press("PageUp")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Thank you").wait_for()
    take(page, f"thanks-{name}")


def answer_one(page: Any, link: str, name: str) -> None:
    """To the first question of a preference or opinion test, and its answer."""
    page.goto(link)
    take_part(page, name)
    with_loudspeakers(page)
    page.get_by_role("button", name="Play", exact=True).wait_for()
    page.keyboard.press("A")
    page.keyboard.press("1")
    page.wait_for_function("() => player.position > 0.5 * player.duration")
    take(page, name)


def draw_plot(root: Path, clips: list[Any], codecs: list[Any]) -> None:
    """The plot of made-up raters."""
    make_study(root / "rated", clips, codecs, Recipe({"speech": 2, "music": 1}, title="made up"))
    scores = {REFERENCE: 95.0, "semcodec@100": 70.0, "semcodec@50": 62.0, "semcodec@25": 50.0}
    fill(root / "rated", 12, scores={**scores, "anchor 3.5 kHz": 35.0, "anchor 7 kHz": 68.0}, spread=12)
    plot(analyse(root / "rated")).savefig(FOLDER / "plot.png", dpi=80)


def take(page: Any, name: str, tallest: int = 1250) -> None:
    """A page, or the top of a long one, in 64 colours."""
    path = FOLDER / f"{name}.png"
    page.screenshot(path=path, full_page=True)
    image = Image.open(path).convert("RGB")
    image.crop((0, 0, image.width, min(image.height, tallest))).quantize(64).save(path, optimize=True)


if __name__ == "__main__":
    main()
