"""Bodies as forms: what everybody's ``curl -F`` sends, and what it could be made to send."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from codec.errors import CodecError
from codec.serve.limits import Limits
from codec.serve.uploads import FORM_BYTES, OneFile
from tests.codec.serve.test_service import wav

PART = b'--x\r\nContent-Disposition: form-data; name="file"; filename="%s"\r\nContent-Type: audio/wav\r\n\r\n'
FORM = {"content-type": "multipart/form-data; boundary=x"}


def form(data: bytes, name: bytes = b"a.wav") -> bytes:
    return PART % name + data + b"\r\n--x--\r\n"


def read(body: bytes) -> bytes:
    parser = OneFile(b"x")
    data = parser.push(body)
    parser.finish()
    return data


@given(st.binary(max_size=400), st.lists(st.integers(1, 60), max_size=30))
def test_the_file_comes_out_however_the_form_is_cut(data: bytes, sizes: list[int]) -> None:
    data = data.replace(b"\r\n--x", b"")
    whole, parts, at = form(data), [], 0
    parser = OneFile(b"x")
    for size in [*sizes, len(whole)]:
        parts.append(parser.push(whole[at : at + size]))
        at += size
    parser.finish()
    assert b"".join(parts) == data


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (form(b"RIFF")[:-4], "ends too early"),
        (form(b"RIFF")[:50], "ends too early"),
        (b"", "ends too early"),
        (b"RIFF", "not a multipart form"),
        (b"--x--\r\n", "no file"),
        (b'--x\r\nContent-Disposition: form-data; name="rate"\r\n\r\n25\r\n' + form(b"RIFF"), "into the address"),
        (b"--x\r\nContent-Type: audio/wav\r\n\r\nRIFF\r\n--x--\r\n", "into the address"),
        (PART % b"a" + b"RIFF\r\n" + form(b"RIFF"), "more than one file"),
        (b"--x\r\n" + b"A: b\r\n" * 10_000 + b"\r\n", "not a multipart form"),
    ],
)
def test_what_is_no_form_with_one_file_is_said(server: str, body: bytes, message: str) -> None:
    with pytest.raises(CodecError, match=message):
        read(body)
    answer = httpx.post(f"{server}/encode", content=body, headers=FORM)
    assert (answer.status_code, message in answer.json()["detail"]) == (400, True)


@pytest.mark.parametrize("kind", ["multipart/form-data", "multipart/form-data; boundary=" + 300 * "x"])
def test_boundaries_that_cannot_be(server: str, kind: str) -> None:
    answer = httpx.post(f"{server}/encode", content=form(wav(0.1)), headers={"content-type": kind})
    assert answer.status_code == 400
    assert "form" in answer.json()["detail"]


@pytest.mark.skipif(shutil.which("curl") is None, reason="apt-get install curl")
def test_what_everybody_types(server: str, tmp_path: Path) -> None:
    (tmp_path / "x.wav").write_bytes(wav(1))
    raw, back = tmp_path / "raw.sct", tmp_path / "back.wav"
    curl = ["curl", "--silent", "--show-error", "--fail", "-o"]
    subprocess.run([*curl, raw, "--data-binary", f"@{tmp_path}/x.wav", f"{server}/encode?rate=25"], check=True)
    subprocess.run([*curl, tmp_path / "form.sct", "-F", f"file=@{tmp_path}/x.wav", f"{server}/encode?rate=25"], check=True)
    subprocess.run([*curl, back, "-F", f"tokens=@{raw}", f"{server}/decode"], check=True)
    assert raw.read_bytes() == (tmp_path / "form.sct").read_bytes()
    assert soundfile.info(back).frames == 16_000


@pytest.mark.parametrize("name", [b"../../../../tmp/evil", b"/etc/passwd", b"body", b"tokens.sct", b"", b"a" * 3000])
def test_what_a_client_calls_its_file_is_not_looked_at(server: str, name: bytes) -> None:
    answer = httpx.post(f"{server}/encode", content=form(wav(0.1), name), headers=FORM)
    assert answer.status_code == 200
    assert answer.content == httpx.post(f"{server}/encode", content=wav(0.1)).content
    assert not Path("/tmp/evil").exists()


def test_a_form_keeps_to_the_limits(serve: Callable[[Limits], str]) -> None:
    size = len(wav(0.1))
    address = serve(Limits(max_bytes=size, max_seconds=9))
    assert httpx.post(f"{address}/encode", files={"file": wav(0.1)}).status_code == 200
    preamble = b"\r\n" * FORM_BYTES

    def blocks(body: bytes):  # without a declared length
        yield from (body[at : at + 1000] for at in range(0, len(body), 1000))

    for body in (form(wav(0.1) + b"1"), form(wav(0.1)) + preamble, form(bytes(10 * size))):
        for content in (body, blocks(body)):
            answer = httpx.post(f"{address}/encode", content=content, headers=FORM)
            assert (answer.status_code, answer.json()["detail"]) == (413, f"more than {size} bytes")
