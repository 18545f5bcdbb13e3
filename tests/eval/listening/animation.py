"""Takes the README's animation of ``codec ui``, by day and by night: ``python -m tests.eval.listening.animation``."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

from eval.listening.ui import make_ui
from tests.eval.listening.conftest import CHROMIUM, FLAGS, serving

FOLDER = Path(__file__).parents[3] / "docs" / "images"
SIZE, SCALE = {"width": 920, "height": 1700}, 0.75
STEP = 0.125
"""Seconds of sound between two pictures, which are as long in sight."""
CODECS = ("semcodec@100", "semcodec@50", "semcodec@25")
SWITCHES = {0.0: "0", 1.25: "1", 2.25: "2", 3.0: "3", 3.75: "0"}
"""Keys that are pressed, by the second of the sound."""
CLOCK = "Object.defineProperty(BaseAudioContext.prototype, 'currentTime', { get: () => window.clock ?? 0 })"
"""Pictures take longer than sound: the page's clock is ours."""
TICK = "t => new Promise((done) => { window.clock = t; requestAnimationFrame(() => requestAnimationFrame(done)); })"
QUALITY, METHOD, MARGIN = 50, 3, 14


def main() -> None:
    """Plays a voice on the page and switches between the original and what came back."""
    with sync_playwright() as playwright, serving(make_ui()) as address:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for scheme in ("light", "dark"):
            page = browser.new_context(viewport=SIZE, color_scheme=scheme, device_scale_factor=SCALE).new_page()
            page.set_default_timeout(300_000)
            write(pictures(page, address), FOLDER / f"ui-{scheme}.webp")
        browser.close()


def pictures(page: Any, address: str) -> list[Image.Image]:
    """One round of the sound: from the bar with all sounds to the panel of the first codec."""
    page.add_init_script(CLOCK)
    page.goto(address)
    page.get_by_role("button", name="a voice").click()
    panels = [page.get_by_role("article", name=name, exact=True) for name in CODECS]
    for panel in panels:
        panel.get_by_text("mel distance").wait_for()
    page.keyboard.press("0")
    page.wait_for_function("() => player.playing")
    top, panel = page.locator("#listen").bounding_box(), panels[0].bounding_box()
    box = {**top, "height": panel["y"] + panel["height"] + MARGIN - top["y"]}
    taken = []
    for number in range(int(page.evaluate("() => player.duration") / STEP)):
        second = number * STEP
        if second in SWITCHES:
            page.keyboard.press(SWITCHES[second])
        page.evaluate(TICK, second + 0.01)
        taken.append(Image.open(io.BytesIO(page.screenshot(clip=box))).convert("RGB"))
    return taken


def write(taken: list[Image.Image], path: Path) -> None:
    """As a picture that moves, and goes on for ever."""
    first, *others = taken
    first.save(path, save_all=True, append_images=others, duration=round(1000 * STEP), loop=0, quality=QUALITY, method=METHOD)


if __name__ == "__main__":
    main()
