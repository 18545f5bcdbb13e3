"""The card of an exam in a real browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from benchmarks.exam.card import read_card
from benchmarks.exam.page import render
from tests.commands import ROOT
from tests.eval.listening.axe import serious
from tests.eval.listening.conftest import browser, page, serving

__all__ = ["browser", "page"]


@pytest.mark.parametrize(("scheme", "width"), [("dark", 390), ("light", 1440)])
def test_nothing_that_hinders_people(page: Any, tmp_path: Path, scheme: str, width: int) -> None:
    card = read_card(ROOT / "benchmarks" / "results" / "exam" / "small.json")
    (tmp_path / "card.html").write_text(render(card, []))
    app = FastAPI()
    app.mount("/", StaticFiles(directory=tmp_path))
    with serving(app, page) as address:
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 900})
        page.goto(f"{address}/card.html")
        page.get_by_role("heading", name="Profiles").wait_for()
        found = serious(page)
        assert not found, found
        assert page.evaluate("() => document.documentElement.scrollWidth") == width
