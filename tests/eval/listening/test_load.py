"""Fifty raters at once while the server is killed twice: nothing lost, nothing twice."""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import signal
import socket
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import httpx2 as httpx

from eval.listening.study import load_study

RATERS = 50
KILL_AFTER = (150, 350)
"""Stored ratings."""


class Server:
    """The real command in a process of its own."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            self.port = sock.getsockname()[1]
        self._command = [sys.executable, "-m", "codec", "eval", "listen", "serve", str(folder), "--port", str(self.port)]
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        assert "invite raters with" in self.process.stdout.readline()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


async def insist(client: httpx.AsyncClient, method: str, path: str, **request: object) -> httpx.Response:
    """As the page does: again, until there is an answer."""
    while True:
        try:
            answer = await client.request(method, path, **request)  # type: ignore[arg-type]
        except httpx.TransportError:
            await asyncio.sleep(0.1)
            continue
        assert answer.is_success, answer.text
        return answer


async def rate_everything(
    address: str, invite: str, number: int, stored: Callable[[], None], sent: dict[tuple[str, str, str], float]
) -> None:
    chance = random.Random(number)
    name = f"rater {number}"
    async with httpx.AsyncClient(base_url=address, timeout=60) as client:
        body = {"invite": invite, "name": name, "key": secrets.token_hex(16)}
        token = (await insist(client, "POST", "/api/join", json=body)).json()["token"]
        client.headers["authorization"] = f"Bearer {token}"
        session = (await insist(client, "GET", "/api/session")).json()
        stamp = 0
        for trial in session["trials"]:
            for stimulus in [*trial["stimuli"], trial["stimuli"][0]]:  # one of them is changed afterwards
                stamp += 1
                score = float(chance.randrange(101))
                rating = {"trial": trial["id"], "scores": {stimulus: score}, "stamp": stamp}
                await insist(client, "POST", "/api/ratings", json=rating)
                sent[name, trial["id"], stimulus] = score
                stored()
            await insist(client, "POST", "/api/done", json={"trial": trial["id"], "seconds": 1.0})


async def everybody(server: Server, invite: str, sent: dict[tuple[str, str, str], float]) -> int:
    kills = 0
    count = 0
    due = asyncio.Event()

    def stored() -> None:
        nonlocal count
        count += 1
        if kills < len(KILL_AFTER) and count >= KILL_AFTER[kills]:
            due.set()

    async def killer() -> None:
        nonlocal kills
        while kills < len(KILL_AFTER):
            await due.wait()
            due.clear()
            server.kill()
            kills += 1
            await asyncio.to_thread(server.start)

    address = f"http://127.0.0.1:{server.port}"
    await asyncio.gather(killer(), *(rate_everything(address, invite, n, stored, sent) for n in range(RATERS)))
    return kills


def test_no_rating_is_lost_or_doubled(new_study: Callable[..., Path]) -> None:
    folder = new_study(per_rater=2)
    study = load_study(folder)
    server = Server(folder)
    sent: dict[tuple[str, str, str], float] = {}
    try:
        assert asyncio.run(everybody(server, study.invite, sent)) == 2
    finally:
        server.kill()
    with sqlite3.connect(folder / "ratings.sqlite") as db:
        rows = db.execute(
            "SELECT name, trial, stimulus, score FROM ratings JOIN raters ON raters.id = ratings.rater"
        ).fetchall()
        finished = db.execute("SELECT rater, trial FROM finished").fetchall()
        names = [name for (name,) in db.execute("SELECT name FROM raters")]
    assert {(name, trial, stimulus): score for name, trial, stimulus, score in rows} == sent
    assert len(rows) == len(sent) == RATERS * 2 * 5
    assert len(finished) == RATERS * 2
    assert sorted(names) == sorted(f"rater {n}" for n in range(RATERS))
    heard = Counter(trial for _, trial in finished)
    assert max(heard.values()) - min(heard.values()) <= 1


def test_second_server_is_refused_in_one_line(new_study: Callable[..., Path]) -> None:
    folder = new_study()
    server = Server(folder)
    try:
        command = [sys.executable, "-m", "codec", "eval", "listen", "serve", str(folder), "--port", "0"]
        second = subprocess.run(command, capture_output=True, text=True, env=os.environ, timeout=300)
    finally:
        server.kill()
    assert second.returncode == 2
    assert second.stderr.strip().count("\n") == 0
    assert "another server is already running this test" in second.stderr
