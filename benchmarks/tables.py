"""Writes the tables of measured figures into the README and the model card: ``python -m benchmarks.tables``.

Text between ``<!-- name -->`` and ``<!-- /name -->`` is replaced by what ``benchmarks/results`` says; a test keeps both equal.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
PAGES = (ROOT / "README.md", ROOT / "codec" / "weights" / "default" / "README.md")
COLUMNS = {
    "speech": {"visqol": "ViSQOL", "stoi": "STOI", "pesq_nb": "PESQ-NB", "wer": "WER", "mel": "mel distance"},
    "music": {"visqol": "ViSQOL", "mel": "mel distance"},
    "sound": {"visqol": "ViSQOL", "mel": "mel distance"},
}


def quality() -> str:
    """Speech in full, then music and sound side by side."""
    report = json.loads((RESULTS / "quality.json").read_text())
    scores = {(row["codec"], row["domain"]): row for row in report["scores"]}
    names = list(dict.fromkeys(row["codec"] for row in report["scores"]))
    clips = {domain: next(row["clips"] for row in report["scores"] if row["domain"] == domain) for domain in COLUMNS}
    lines = [f"Speech ({clips['speech']} clips of the {report['split']} split), semantic vocabulary {report['vocab']}:", ""]
    lines += _table(["codec", "kbps", *COLUMNS["speech"].values()])
    for name in names:
        row = scores[name, "speech"]
        lines.append(_row([_name(name), _kbps(row), *_cells(row, "speech")]))
    lines += ["", f"Music ({clips['music']}) and sound ({clips['sound']}), ViSQOL in its 48 kHz audio mode:", ""]
    lines += _table(["codec", "kbps", "music ViSQOL", "music mel distance", "sound ViSQOL", "sound mel distance"])
    for name in names:
        if (name, "music") in scores:
            music, sound = scores[name, "music"], scores[name, "sound"]
            lines.append(_row([_name(name), _kbps(music), *_cells(music, "music"), *_cells(sound, "sound")]))
    failures = {f"{r['codec']} {r['domain']} {m}": n for r in report["scores"] for m, n in r["failed"].items()}
    if failures:
        lines += [
            "",
            "Clips on which a metric failed, left out of its mean: " + ", ".join(f"{k} {n}" for k, n in failures.items()),
        ]
    return "\n".join(lines)


def speed() -> str:
    """What was measured, and the bar that the design set."""
    rows = [json.loads(line) for line in (RESULTS / "speed.jsonl").read_text().splitlines()]
    return "\n".join([*_table(["on two CPU cores, float32", "median", "bar"]), *(_row(_speed_cells(row)) for row in rows)])


def _speed_cells(row: dict[str, str | float]) -> list[str]:
    digits = 0 if "real time" in str(row["unit"]) and float(row["value"]) >= 10 else 2
    return [str(row["what"]), f"{row['value']:.{digits}f} {row['unit']}", str(row["bar"])]


def _name(name: str) -> str:
    return f"**{name}**" if name.startswith("semcodec") else name


def _kbps(row: dict[str, float]) -> str:
    return f"{row['kbps']:.2f}" if row["kbps"] else "–"


def _cells(row: dict[str, dict[str, float]], domain: str) -> list[str]:
    values = row["metrics"]
    text = {
        key: f"{value:.1%}" if key == "wer" else f"{value:.3f}" if key == "mel" else f"{value:.2f}"
        for key, value in values.items()
    }
    return [text.get(column, "–") for column in COLUMNS[domain]]


def _table(header: list[str]) -> list[str]:
    return [_row(header), _row(["---"] * len(header))]


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


TABLES: dict[str, Callable[[], str]] = {"quality": quality, "speed": speed}


def fill(text: str) -> str:
    """Replaces every marked part of a page."""
    for name, table in TABLES.items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.S)
        if pattern.search(text):
            text = pattern.sub(lambda match, table=table: f"{match[1]}{table()}\n{match[2]}", text)  # type: ignore[misc]
    return text


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(fill(page.read_text("utf-8")), "utf-8")
