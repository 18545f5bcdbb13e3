"""A sweep's page in a real browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from benchmarks.sweep.write import write_sweep
from eval.reconstruction.cache import Cache
from eval.reconstruction.runner import run
from tests.eval.listening.axe import serious
from tests.eval.listening.conftest import browser, page, serving, there
from tests.eval.reconstruction.doubles import SETUP, Tone, open_codec

__all__ = ["browser", "page"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    clips = [Tone("first", text="hello", samples=8000), Tone("second", text="x", samples=8000)]
    results = run(["bits@4", "bits@8"], clips, SETUP, Cache(folder / "cache"), 0)
    write_sweep(results, clips, open_codec, folder / "out", examples=1)
    return folder / "out"


def test_a_phone_at_night_and_a_desktop_by_day(page: Any, folder: Path) -> None:
    app = FastAPI()
    app.mount("/", StaticFiles(directory=folder))
    with serving(app, page) as address:
        for scheme, width in (("dark", 390), ("light", 1440)):
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size({"width": width, "height": 900})
            page.goto(f"{address}/report.html")
            assert page.evaluate("() => document.documentElement.scrollWidth") == width
            page.get_by_text("All ", exact=False).first.click()
            assert not serious(page)
        player = page.locator(".player").first
        names = player.locator(".track .name").all_inner_texts()
        assert names[0] == "original"
        there(player.locator(".track .sign"), len(names))
        there(page.locator("tbody th .sign"), page.locator("tbody th").count())
        player.locator("input[type=radio]").nth(2).check()
        page.evaluate("() => document.activeElement.blur()")
        page.keyboard.press("0")  # the original, wherever the focus is
        there(player.locator("input[type=radio]:checked[value='0']"), 1)
