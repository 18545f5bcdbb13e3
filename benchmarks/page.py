"""How long somebody waits on ``codec ui`` until a codec begins to work: the first one, and others of a model that is loaded."""

from __future__ import annotations

import json as jsonlib
import threading
import time
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from benchmarks.speed import Row
from codec.errors import CodecError
from eval.listening.ui import EXAMPLES, Desk
from eval.listening.web import PAGE

CODECS = ("semcodec@50", "semcodec@25", "semcodec@100", "semcodec@50,vocab=4096")
WAIT = "< 0.3"


def main(json: bool) -> None:
    """Measures and prints a table, or JSON lines."""
    rows = starts()
    if json:
        for row in rows:
            print(jsonlib.dumps(asdict(row)))
        return
    table = Table("what", "measured", "bar", title="from a tick to the codec's first work")
    for row in rows:
        table.add_row(row.what, f"{row.value:.3f} {row.unit}", row.bar)
    Console().print(table)


def starts() -> list[Row]:
    """Seconds of loading every codec, one after another in one session, on two sounds."""
    desk = Desk()
    rows: list[Row] = []
    for sound in list(EXAMPLES)[:2]:
        number = desk.add((PAGE / "examples" / sound).read_bytes(), sound)["id"]
        for name in CODECS:
            rows.append(Row(f"{sound}: {name}", loading(desk, number, name), "s", WAIT if rows else "–"))
    return rows


def loading(desk: Desk, number: int, name: str) -> float:
    """Seconds until a codec works on a sound, which it then does to the end.

    Raises:
        CodecError: it is not there, or failed.
    """
    sound = desk.find(number)
    assert sound is not None
    work = desk.work(number, sound, name, threading.Event())
    started = time.perf_counter()
    until: float | None = None
    for told in work:
        if told.get("step") == "encoding":
            until = time.perf_counter() - started
        elif "error" in told:
            raise CodecError(told["error"])
    assert until is not None
    return until
