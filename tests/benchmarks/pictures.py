"""Pictures of the pages that sweeps and exams write, in ``docs/images/reports``, and the README's plot of the sweep:
``python -m tests.benchmarks.pictures``."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from PIL import Image
from playwright.sync_api import sync_playwright

from benchmarks.exam.card import read_card
from benchmarks.exam.page import render
from benchmarks.sweep.write import write_sweep
from codec.baselines import open_codec
from eval.reconstruction.results import read_results
from tests.commands import ROOT
from tests.eval.listening.conftest import CHROMIUM, FLAGS, serving

FOLDER = ROOT / "docs" / "images" / "reports"
RESULTS = ROOT / "benchmarks" / "results"
OVERVIEWS = (RESULTS / "sweep" / "overview", ROOT / "docs" / "images" / "sweep")
"""Where the plot of the kept figures lies."""
TALLEST = 1250


def main() -> None:
    """Writes both pages again from the figures that are kept, and photographs their tops, by day and by night."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        root = Path(scratch)
        write_sweep(read_results(RESULTS / "sweep"), [], open_codec, root, examples=0)
        for target, suffix in ((RESULTS / "sweep" / "overview", ".png"), *((at, ".svg") for at in OVERVIEWS)):
            shutil.copy(root / f"overview{suffix}", target.with_suffix(suffix))
        (root / "card.html").write_text(render(read_card(RESULTS / "exam" / "small.json"), []), "utf-8")
        app = FastAPI()
        app.mount("/", StaticFiles(directory=root))
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        with serving(app) as address:
            for view, width, scheme in (("desktop", 1180, "light"), ("phone", 390, "dark")):
                page = browser.new_context(viewport={"width": width, "height": TALLEST}, color_scheme=scheme).new_page()
                for name, file in (("sweep", "report.html"), ("exam", "card.html")):
                    page.goto(f"{address}/{file}", wait_until="networkidle")
                    path = FOLDER / f"{name}-{view}.png"
                    page.screenshot(path=path)
                    Image.open(path).convert("RGB").quantize(64).save(path, optimize=True)
        browser.close()


if __name__ == "__main__":
    main()
