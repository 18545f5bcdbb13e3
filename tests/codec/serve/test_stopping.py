"""A real ``codec serve``, real signals: who was let in is answered, and nothing of it stays on disk."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import pytest
import soundfile

from codec.container.bitstream import ContainerReader
from tests.codec.serve.test_service import wav
from tests.faults import codec


@dataclass(frozen=True)
class Server:
    """A running service.

    Attributes:
        address: to ask.
        process: of the command.
        folder: that it has for temporary files.
    """

    address: str
    process: subprocess.Popen[bytes]
    folder: Path

    def files(self) -> list[Path]:
        return [path for path in self.folder.rglob("*") if path.is_file()]


Start = Callable[..., Server]


@pytest.fixture
def start(tiny_folder: Path, tmp_path: Path) -> Iterator[Start]:
    """Starts ``codec serve`` around the tiny model, with its temporary files below ``tmp_path``."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    with contextlib.ExitStack() as stack:
        # What runs in a shell's background ignores SIGINT, and its children would, too.
        stack.callback(signal.signal, signal.SIGINT, signal.signal(signal.SIGINT, signal.default_int_handler))

        def run(**options: object) -> Server:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
            words = [word for key, value in options.items() for word in (f"--{key}", value)]
            command = codec("serve", "--model", tiny_folder, "--port", port, *words)
            environment = os.environ | {"TMPDIR": str(folder)}
            process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=environment)
            stack.callback(process.wait)
            stack.callback(process.kill)
            address = f"http://127.0.0.1:{port}"
            for _ in range(1200):
                assert process.poll() is None
                with contextlib.suppress(httpx.TransportError):
                    httpx.get(f"{address}/healthz")
                    break
                time.sleep(0.1)
            return Server(address, process, folder)

        yield run


Answers = list[httpx.Response | BaseException]


def ask(server: Server, bodies: list[bytes], number: int) -> Answers:
    """Sends all at once, and a signal as soon as all are inside; what is over before that is asked again."""

    async def once() -> Answers | None:
        async with httpx.AsyncClient(timeout=240, limits=httpx.Limits(max_connections=len(bodies) + 1)) as client:
            waiting = [asyncio.ensure_future(client.post(f"{server.address}/encode", content=body)) for body in bodies]
            inside = f"codec_requests_inside {len(bodies):.1f}"
            while inside not in (await client.get(f"{server.address}/metrics")).text:
                if all(each.done() for each in waiting):
                    return None
            server.process.send_signal(number)
            return await asyncio.gather(*waiting, return_exceptions=True)

    for _ in range(50):
        if (answers := asyncio.run(once())) is not None:
            return answers
    raise AssertionError("no request was seen inside")


def statuses(answers: Answers) -> list[object]:
    return [getattr(answer, "status_code", answer) for answer in answers]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_runs_is_finished(start: Start, number: int) -> None:
    server = start(timeout=120, workers=1)
    (answer,) = ask(server, [wav(120)], number)
    assert server.process.wait(240) in (-number, 130)
    assert statuses([answer]) == [200]
    assert len(list(ContainerReader(io.BytesIO(answer.content)).skim())) == 12
    assert not server.files()


@pytest.mark.parametrize("timeout", [0.4, 1.2])
def test_what_takes_longer_than_it_may_is_answered_all_the_same(start: Start, timeout: float) -> None:
    """Before, the server waited for ``round(timeout)``: not at all, or for less than a request may take."""
    sink = io.BytesIO()
    soundfile.write(sink, np.zeros(1800 * 16_000, np.int16), 16_000, format="FLAC")  # little to send, much to do
    server = start(timeout=timeout, workers=1)
    answers = ask(server, [sink.getvalue()] * 2, signal.SIGTERM)
    assert server.process.wait(240) == -signal.SIGTERM
    assert statuses(answers) == [503] * 2
    assert not server.files()


def test_a_crowd_is_answered_to_the_last(start: Start) -> None:
    server = start(timeout=100, workers=2, queue=30)
    answers = ask(server, [wav(5)] * 32, signal.SIGTERM)
    assert server.process.wait(240) == -signal.SIGTERM
    assert statuses(answers) == [200] * 32
    assert not server.files()


def test_a_client_that_does_not_take_its_answer_keeps_neither_file_nor_place(start: Start) -> None:
    server = start(timeout=2, workers=1)
    body = wav(60)
    tokens = httpx.post(f"{server.address}/encode", content=body, timeout=60).content
    host, port = server.address.removeprefix("http://").split(":")
    with socket.socket() as stalled:
        stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stalled.connect((host, int(port)))
        head = f"POST /decode?sample_rate=192000 HTTP/1.1\r\nHost: x\r\nContent-Length: {len(tokens)}\r\n\r\n"
        stalled.sendall(head.encode() + tokens)
        assert stalled.recv(12) == b"HTTP/1.1 200"  # and not a byte more
        assert server.files()
        for _ in range(600):
            if not server.files():
                break
            time.sleep(0.1)
        assert not server.files()


def test_what_a_killed_server_left_is_gone_when_the_next_one_is_up(start: Start) -> None:
    server = start(timeout=100, workers=1)
    answers = ask(server, [wav(120)] * 3, signal.SIGKILL)
    assert all(isinstance(answer, httpx.TransportError) for answer in answers)
    server.process.wait(60)
    assert server.files()
    assert not start().files()
