import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import tables
from benchmarks.tables import PAGES, ROOT, fill
from eval.reconstruction.cache import Cache
from eval.reconstruction.runner import run
from tests.eval.reconstruction.doubles import SETUP, Tone


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_tables_in_the_docs_are_those_of_the_results(page) -> None:
    text = page.read_text("utf-8")
    assert fill(text) == text, "run python -m benchmarks.tables"
    assert re.search(r"\| semcodec@100 \||\| 8 bits \||<!-- objectives -->|\| faiss-cpu \||<!-- lm-levels -->", text)


@pytest.mark.parametrize("name", ["tables", "pictures", "demo"])
def test_help_is_shown_and_nothing_is_written(name: str, tmp_path: Path) -> None:
    written = [*PAGES, *(ROOT / "docs" / "images").iterdir()]
    before = [path.stat().st_mtime_ns for path in written]
    done = subprocess.run([sys.executable, "-m", f"benchmarks.{name}", "--help"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, "Usage:" in done.stdout) == (0, True), done.stderr
    assert [path.stat().st_mtime_ns for path in written] == before
    assert not list(tmp_path.iterdir())


def test_what_failed_is_said_once_for_all_codecs_with_its_reason(tmp_path: Path) -> None:
    clips = [Tone("clip0", text="x"), Tone("clip1"), Tone("clip2")]
    results = run(["bits@4", "bits@8"], clips, SETUP, Cache(tmp_path), workers=0)
    assert tables.failures(results) == ["WER of 2 speech clips (no transcript)"]


def test_speeds_beside_other_codecs_are_rows_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        {"what": "encodec: encode 60 s", "value": 4.123, "unit": "× real time", "bar": "–"},
        {"what": "semcodec, its slowest rate, over encodec: encode", "value": 45.6, "unit": "×", "bar": "≥ 10"},
    ]
    monkeypatch.setattr(tables, "RESULTS", tmp_path)
    (tmp_path / "speed.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    assert tables.speed().splitlines()[2:] == [
        "| encodec: encode 60 s | 4.12 × real time | – |",
        "| semcodec, its slowest rate, over encodec: encode | 46 × | ≥ 10 |",
    ]


def test_levels_of_tokens_are_told_by_how_a_model_learned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "RESULTS", tmp_path)
    assert "Not measured yet" in tables.lm_levels()
    points = ((0, 0, 14.0), (5.1, 10, 12.0), (9.9, 20, 11.0), (20.0, 40, 10.0))
    curve = [
        {"seconds": seconds, "step": step, "bits_per_token": bits, "bits_per_second": 50 * bits}
        for seconds, step, bits in points
    ]
    sizes = {"width": 96, "layers": 2, "batch": 4, "crop_seconds": 4.0, "processor_minutes": 1 / 3, "vocabulary": 8192}
    material = {"recordings": 20, "minutes_of_audio": 3.5, "held_out": 2}
    found = material | sizes | {"levels": [{"rate": 50, "streams": 2, "stored": 650.0, "curve": curve}]}
    (tmp_path / "lm-levels.json").write_text(json.dumps(found))
    about, _, header, _, row = tables.lm_levels().splitlines()
    assert about.startswith(
        "20 recordings, 3.5 minutes, 2 of them held out; vocabulary 8192; width 96, 2 layers, 4 crops of 4 s"
    )
    assert "| after 0 s | after 5 s | after 10 s | after 20 s |" in header
    assert row == "| 50 | 2 | 50 | 650 | 700 | 600 | 550 | 500 | 77% | 40 |"
