"""``codec models --fetch haoheliu/SemantiCodec``: laid out as on the Hub, checked, resumed; from a server on this machine."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import codec
from codec.cli.main import main
from codec.errors import CodecError, ModelError
from codec.semanticodec import download
from codec.semanticodec.download import fetch_published
from codec.semanticodec.published import fetched_folder
from tests.codec.baselines.server import Server, serving

ENCODER = "semanticodec_tokenrate_100/encoder.ckpt"


@pytest.fixture
def hub(published: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    """Holds the tiny published files of 100 tokens/s, points to a store as the Hub does, and states checksums."""
    files = {f"/{path.relative_to(published)}": path.read_bytes() for path in published.rglob("*") if path.is_file()}
    with serving(files) as server:
        monkeypatch.setenv("SEMCODEC_MODELS", str(tmp_path / "models"))
        monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "nothing"))
        monkeypatch.setenv("no_proxy", "*")
        monkeypatch.setattr(download, "HUB", f"http://127.0.0.1:{server.server_port}/")
        monkeypatch.chdir(tmp_path)
        yield server


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(["models", "--fetch", *words])
    return int(caught.value.code or 0)


def test_what_was_fetched_is_found(hub: Server, capsys: pytest.CaptureFixture[str]) -> None:
    for said in ("fetched", "already here"):
        assert run("haoheliu/SemantiCodec@100,vocab=4096") == 0
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == 3
        assert all(said in line and "trusted on first use" in line for line in lines)
    model = codec.load("haoheliu/SemantiCodec", rate=100, vocab=4096)
    assert model.encode(np.zeros(2000, np.float32), 16_000).codes.shape[2] == 8
    body = hub.files[f"/{ENCODER}"]
    assert (fetched_folder() / f"{ENCODER}.sha256").read_text() == f"{hashlib.sha256(body).hexdigest()}  encoder.ckpt\n"


def test_a_cut_connection_goes_on(hub: Server) -> None:
    hub.cut = 100_000
    with pytest.raises(CodecError, match="the same command goes on"):
        list(fetch_published("haoheliu/SemantiCodec@100,vocab=4096", lambda file: lambda have, total: None))
    kept = (fetched_folder() / f"{ENCODER}.part").stat().st_size
    assert 0 < kept <= 100_000
    hub.cut = None
    assert run("haoheliu/SemantiCodec@100,vocab=4096") == 0
    assert f"bytes={kept}-" in hub.requests


def test_the_hubs_checksum_is_held_against_the_file(hub: Server) -> None:
    hub.stated = "0" * 64
    with pytest.raises(ModelError, match="not 0000"):
        list(fetch_published("haoheliu/SemantiCodec@100,vocab=4096", lambda file: lambda have, total: None))
    assert not (fetched_folder() / ENCODER).exists()


def test_a_file_that_changed_since_is_refused(hub: Server) -> None:
    assert run("haoheliu/SemantiCodec@100,vocab=4096") == 0
    path = fetched_folder() / ENCODER
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelError, match="changed since it was fetched"):
        codec.load("haoheliu/SemantiCodec", rate=100, vocab=4096).encode(np.zeros(2000, np.float32), 16_000)
    # Nor is another file taken in its place without a word.
    path.unlink()
    hub.files[f"/{ENCODER}"] = bytes(content)
    assert run("haoheliu/SemantiCodec@100,vocab=4096") == 2


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("haoheliu/SemantiCodec@30", "one of 100, 50, 25"),
        ("haoheliu/SemantiCodec@50,vocab=5000", "vocabulary 5000 is not one of"),
        ("haoheliu/SemantiCodec@50,steps=3", "does not know 'steps='"),
        ("haoheliu/SemantiCodec@50", "answers 404"),
        ("haoheliu/Other", "no weights to fetch"),
    ],
)
def test_what_cannot_be_fetched_is_one_line(hub: Server, name: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(name) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
