import json
import re
from pathlib import Path

import pytest

from benchmarks import tables
from benchmarks.tables import PAGES, fill
from eval.reconstruction.cache import Cache
from eval.reconstruction.runner import run
from tests.eval.reconstruction.doubles import SETUP, Tone


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_tables_in_the_docs_are_those_of_the_results(page) -> None:
    text = page.read_text("utf-8")
    assert fill(text) == text, "run python -m benchmarks.tables"
    assert re.search(r"\| \*\*semcodec@100\*\* \||\| 8 bits \||<!-- objectives -->|\| faiss-cpu \|", text)


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
