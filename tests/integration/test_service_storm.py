"""A live ``codec serve`` of the shipped model, and a thousand clients at once."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import time
from collections import Counter

import httpx
import psutil
import pytest

from tests.conftest import DATA
from tests.faults import allow_many_files, codec

REQUESTS = 1000


async def storm(address: str, body: bytes) -> Counter[int]:
    limits = httpx.Limits(max_connections=REQUESTS)
    async with httpx.AsyncClient(limits=limits, timeout=1200) as client:
        answers = await asyncio.gather(*(client.post(f"{address}/encode", content=body) for _ in range(REQUESTS)))
    assert all(answer.status_code == 429 or answer.content.startswith(b"\x8bSCT") for answer in answers)
    return Counter(answer.status_code for answer in answers)


@pytest.mark.heavy
def test_a_thousand_clients_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    allow_many_files()
    body = (DATA / "speech.flac").read_bytes()
    address = f"http://127.0.0.1:{port}"
    command = codec("serve", "--port", port, "--workers", 2, "--queue", 64)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _wait_for(address, process)
            memory = psutil.Process(process.pid).memory_info
            resident, counts = [], []
            for _ in range(3):
                before = time.perf_counter()
                counts.append(asyncio.run(storm(address, body)))
                took = time.perf_counter() - before
                time.sleep(2)
                resident.append(memory().rss / 1e6)
                with capsys.disabled():
                    served, refused = counts[-1][200], counts[-1][429]
                    print(f"\n{served} served, {refused} refused in {took:.0f} s, {resident[-1]:.0f} MB afterwards")
            assert "codec_requests_inside 0.0" in httpx.get(f"{address}/metrics").text
            assert httpx.post(f"{address}/encode", content=body, timeout=60).status_code == 200
        finally:
            process.terminate()
    assert all(set(count) <= {200, 429} and count[200] >= 66 and count.total() == REQUESTS for count in counts)
    assert resident[2] - resident[0] < 50


def _wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        try:
            httpx.get(f"{address}/healthz")
            return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError("the service has ended")
