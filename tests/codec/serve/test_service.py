import asyncio
import errno
import io
import socket
import tempfile
import time
from collections import Counter, deque
from collections.abc import Callable
from functools import partial
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest
import schemathesis
import soundfile
import websockets.sync.client
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance
from websockets.exceptions import ConnectionClosed

from codec.audio.pcm import PcmFormat
from codec.cli import main
from codec.container.bitstream import read
from codec.errors import CodecError, TruncatedError
from codec.files import encode_file
from codec.model import Codec
from codec.pipes import encode_stream
from codec.serve.limits import Limits

CLIENT = httpx.Client(timeout=60)
"""Has the patience that a slow machine needs."""


def wav(seconds: float, sample_rate: int = 16_000, channels: int = 1) -> bytes:
    sink = io.BytesIO()
    wave = np.random.default_rng(0).standard_normal((int(seconds * sample_rate), channels)) * 0.1
    soundfile.write(sink, wave, sample_rate, "PCM_16", format="WAV")
    return sink.getvalue()


def test_there_and_back_is_what_the_library_does(server: str, tiny: Codec, tmp_path) -> None:
    data = wav(3, 22_050, 2)
    (tmp_path / "x.wav").write_bytes(data)
    encode_file(tiny, str(tmp_path / "x.wav"), str(tmp_path / "x.sct"), rate=25, vocab=64)
    answer = CLIENT.post(f"{server}/encode", params={"rate": 25, "vocab": 64}, content=data)
    assert answer.status_code == 200
    assert answer.content == (tmp_path / "x.sct").read_bytes()
    back = CLIENT.post(f"{server}/decode", content=answer.content)
    assert back.headers["content-type"] == "audio/wav"
    wave, sample_rate = soundfile.read(io.BytesIO(back.content))
    assert wave.shape == (3 * 22_050, 2)
    assert sample_rate == 22_050


@pytest.mark.parametrize(
    ("path", "params", "body", "status", "detail"),
    [
        ("encode", {}, b"", 400, "empty"),
        ("encode", {}, b"not audio at all", 400, "body"),
        ("encode", {"rate": 33}, wav(0.1), 400, "rate 33"),
        ("encode", {"vocab": 33}, wav(0.1), 400, "vocabulary 33"),
        ("encode", {"entropy": True}, wav(0.1), 400, "entropy tables"),
        ("encode", {"raet": 25}, wav(0.1), 400, "no parameter 'raet'; did you mean rate?"),
        ("decode", {"quick": True}, b"", 400, "no parameter 'quick'; there are sample_rate, conceal"),
        ("encode", {}, wav(45), 413, "40 s"),
        ("encode", {}, bytes(2_000_001), 413, "2000000 bytes"),
        ("decode", {}, b"", 400, "truncated"),
        ("decode", {}, b"RIFF" + bytes(100), 400, "not a .sct"),
        ("decode", {"sample_rate": 1}, b"", 422, None),
    ],
)
def test_refusals(server: str, path: str, params: dict[str, object], body: bytes, status: int, detail: str | None) -> None:
    answer = CLIENT.post(f"{server}/{path}", params=params, content=body)
    assert answer.status_code == status
    if detail:
        assert detail in answer.json()["detail"]
    assert "/tmp" not in answer.text


def test_health_metrics_and_description(server: str, tiny: Codec) -> None:
    CLIENT.post(f"{server}/encode", content=b"")
    assert CLIENT.get(f"{server}/healthz").json()["model"] == tiny.fingerprint
    CLIENT.get(f"{server}/made/up/by/a/client")
    numbers = CLIENT.get(f"{server}/metrics").text
    assert 'codec_requests_total{path="/encode",status="400"}' in numbers
    assert "made" not in numbers
    description = CLIENT.get(f"{server}/openapi.json").json()
    assert "/stream?sample_rate=" in description["info"]["description"]
    paths = description["paths"]
    assert set(paths) == {"/encode", "/decode", "/healthz", "/metrics"}
    assert {"200", "400", "413", "422", "429", "503"} == set(paths["/encode"]["post"]["responses"])


def test_a_late_answer_is_503(serve: Callable[[Limits], str]) -> None:
    address = serve(Limits(timeout=0.0))
    answer = CLIENT.post(f"{address}/encode", content=wav(1))
    assert answer.status_code == 503
    assert answer.headers["retry-after"]


@pytest.mark.parametrize("sent", [b"", b"12345"])
def test_who_sends_a_body_too_slowly_loses_the_place(serve: Callable[[Limits], str], sent: bytes) -> None:
    address = serve(Limits(workers=1, queue=0, timeout=1.0)).removeprefix("http://")
    host, port = address.split(":")
    with socket.create_connection((host, int(port)), timeout=60) as slow:
        slow.sendall(b"POST /encode HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n" + sent)
        assert b" 503 " in slow.recv(1000).partition(b"\r\n")[0]
    with socket.create_connection((host, int(port)), timeout=60) as gone:
        gone.sendall(b"POST /encode HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(100):
        if (answer := CLIENT.post(f"http://{address}/encode", content=wav(0.1))).status_code != 429:
            break
        time.sleep(0.1)
    assert answer.status_code == 200


@pytest.mark.parametrize("where", ["folder", "body", "result"])
def test_a_full_disk_is_not_the_clients_fault(server: str, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")

    def fail(*_: object, **__: object) -> None:
        if where != "result":
            raise full
        raise CodecError("cannot write tokens.sct") from full

    home = {"folder": "tempfile.mkdtemp", "body": "codec.serve.uploads.write_body", "result": "codec.serve.service._in_thread"}[
        where
    ]
    monkeypatch.setattr(home, fail)
    answer = CLIENT.post(f"{server}/encode", content=wav(0.1))
    assert (answer.status_code, answer.json()["detail"]) == (503, "no room on this server; try again later")


def test_a_taken_port_is_one_line(server: str, tiny_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    port = server.rpartition(":")[2]
    with pytest.raises(SystemExit) as caught:
        main(["serve", "--model", str(tiny_folder), "--port", port])
    assert caught.value.code == 2
    assert capsys.readouterr().err == f"codec: cannot serve on 127.0.0.1:{port}: Address already in use\n"


def test_a_stream_gives_the_container(server: str, tiny: Codec) -> None:
    samples = (np.random.default_rng(0).standard_normal(3 * 16_000) * 3000).astype("<i2").tobytes()
    expected = io.BytesIO()
    encode_stream(tiny, io.BytesIO(samples), expected, PcmFormat.parse("16000"), low_latency=True)
    with websockets.sync.client.connect(f"{server.replace('http', 'ws')}/stream?sample_rate=16000") as client:
        received = client.recv()  # the header comes before any audio
        for at in range(0, len(samples) // 2, 1001):
            client.send(samples[at : min(at + 1001, len(samples) // 2)])
        while len(received) < len(expected.getvalue()) // 4:
            received += client.recv(timeout=60)  # tokens of the first half, before the second is sent
        client.send(samples[len(samples) // 2 :])
        client.send("end")
        for message in client:
            received += message
    assert received == expected.getvalue()


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        ([], "the stream contains no samples"),
        ([b""], "the stream contains no samples"),
        ([bytes(2 * 8000), bytes(3)], "the stream ends within a sample: its last 3 bytes are not 4"),
    ],
)
def test_a_stream_without_whole_samples_is_no_container(server: str, sent: list[bytes], reason: str, tmp_path: Path) -> None:
    address = f"{server.replace('http', 'ws')}/stream?channels=2"
    with websockets.sync.client.connect(address) as client:
        received = [client.recv(timeout=60)]
        for message in [*sent, "end"]:
            client.send(message)
        with pytest.raises(ConnectionClosed) as closed:
            received.extend(client)
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1008, reason)
    (tmp_path / "x.sct").write_bytes(b"".join(received))
    with pytest.raises(TruncatedError):
        read(tmp_path / "x.sct")


def test_streams_are_limited_and_checked(server: str) -> None:
    address = f"{server.replace('http', 'ws')}/stream"
    with websockets.sync.client.connect(address) as one, websockets.sync.client.connect(address) as two:
        assert one.recv()
        assert two.recv()
        with websockets.sync.client.connect(address) as three, pytest.raises(ConnectionClosed, match="all streams are taken"):
            three.recv(timeout=60)
        one.send("what?")
        with pytest.raises(ConnectionClosed, match="16-bit samples"):
            one.recv(timeout=60)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ("rate=7", "rate 7"),
        ("chanels=2", "no parameter 'chanels'; did you mean channels?"),
        ("channels=0", "channels: Input"),
        ("sample_rate=x", "sample_rate: Input"),
        ("sample_rate=9", "sample_rate"),
    ],
)
def test_a_stream_with_unusable_arguments_is_closed_with_a_reason(server: str, arguments: str, reason: str) -> None:
    address = f"{server.replace('http', 'ws')}/stream?{arguments}"
    with websockets.sync.client.connect(address) as client, pytest.raises(ConnectionClosed) as closed:
        client.recv(timeout=60)
    assert closed.value.rcvd.code == 1008
    assert reason in closed.value.rcvd.reason


def test_a_message_over_the_limit_closes_a_stream_as_the_description_says(server: str) -> None:
    most = Limits().max_message
    assert f"1009 for a message of more than {most} bytes" in CLIENT.get(f"{server}/openapi.json").json()["info"]["description"]
    address = f"{server.replace('http', 'ws')}/stream"
    with websockets.sync.client.connect(address) as client:
        assert client.recv(timeout=60)
        client.send(bytes(most))  # 33 s of audio: that much is taken
        assert client.recv(timeout=60)
        client.send(bytes(most + 1))
        with pytest.raises(ConnectionClosed) as closed:
            deque(iter(partial(client.recv, timeout=60), None), 0)
    assert closed.value.rcvd.code == 1009


def test_a_thousand_at_once_are_served_or_refused(server: str) -> None:
    body = wav(0.5)
    leftovers = set(Path(tempfile.gettempdir()).glob("codec-serve-*/*"))

    async def storm(requests: int) -> Counter[int]:
        limits = httpx.Limits(max_connections=requests)
        async with httpx.AsyncClient(limits=limits, timeout=120) as client:
            answers = await asyncio.gather(*(client.post(f"{server}/encode", content=body) for _ in range(requests)))
        assert all(answer.status_code == 429 or answer.content.startswith(b"\x8bSCT") for answer in answers)
        return Counter(answer.status_code for answer in answers)

    counts = asyncio.run(storm(1000))
    after = psutil.Process().memory_info().rss
    asyncio.run(storm(300))
    assert psutil.Process().memory_info().rss - after < 30e6
    assert set(counts) == {200, 429}
    assert counts[200] >= 6
    assert sum(counts.values()) == 1000
    numbers = CLIENT.get(f"{server}/metrics").text
    assert "codec_requests_inside 0.0" in numbers
    assert CLIENT.post(f"{server}/encode", content=body).status_code == 200
    for _ in range(100):  # the last answer's folder goes right after the answer
        if not (left := set(Path(tempfile.gettempdir()).glob("codec-serve-*/*")) - leftovers):
            break
        time.sleep(0.1)
    assert not left


def test_the_service_does_what_its_description_says(server: str) -> None:
    """Schemathesis: requests made up from the description, valid and not; every answer must be a described one."""
    schema = schemathesis.openapi.from_url(f"{server}/openapi.json")
    for operation in schema.get_all_operations():

        @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
        @given(operation.ok().as_strategy())
        def check(case: schemathesis.Case) -> None:
            # A schema can say "bytes", not "bytes that are audio": those others are refused with 400.
            case.call_and_validate(excluded_checks=[positive_data_acceptance])

        check()
