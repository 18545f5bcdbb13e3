"""Downloads from a server on this machine: whole, cut off and resumed, changed meanwhile, damaged, missing, unreachable."""

from __future__ import annotations

import dataclasses
import hashlib
import http.server
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from codec.baselines import fetch as fetching
from codec.baselines import weights
from codec.baselines.fetch import fetch
from codec.cli.main import main
from codec.errors import CodecError, ModelError

BODY = bytes(range(256)) * 5_000
DIGEST = hashlib.sha256(BODY).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """One file; `cut` breaks the connection after so many bytes, `requests` remembers the ranges asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.body, self.etag, self.cut = BODY, '"one"', None
        self.requests: list[str | None] = []


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.requests.append(wanted)
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/file")
            self.end_headers()
            return
        if self.path != "/file":
            self.send_error(404)
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        if start >= len(self.server.body):
            self.send_error(416)
            return
        resumed = wanted is not None and self.headers.get("If-Range") == self.server.etag
        rest = self.server.body[start if resumed else 0 :]
        self.send_response(206 if resumed else 200)
        if resumed:
            self.send_header("Content-Range", f"bytes {start}-{len(self.server.body) - 1}/{len(self.server.body)}")
        self.send_header("Content-Length", str(len(rest)))
        self.send_header("ETag", self.server.etag)
        self.end_headers()
        self.wfile.write(rest[: self.server.cut])
        if self.server.cut is not None:
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("SEMCODEC_MODELS", str(tmp_path))
    monkeypatch.setenv("no_proxy", "*")
    point(monkeypatch, f"http://127.0.0.1:{server.server_port}/file")
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def point(monkeypatch: pytest.MonkeyPatch, url: str, sha256: str | None = None) -> None:
    moved = dataclasses.replace(weights.WEIGHTS["mimi"], url=url, sha256=sha256)
    monkeypatch.setitem(weights.WEIGHTS, "mimi", moved)


def test_first_use_is_trusted_and_recorded(server: Server, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    done = fetch("mimi", lambda have, total: seen.append((have, total)))
    assert done == fetching.Fetched(tmp_path / "mimi" / "model.safetensors", DIGEST, pinned=False, new=True)
    assert done.path.read_bytes() == BODY
    assert (tmp_path / "mimi" / "model.safetensors.sha256").read_text() == f"{DIGEST}  model.safetensors\n"
    assert seen[-1] == (len(BODY), len(BODY))
    assert sorted(path.name for path in done.path.parent.iterdir()) == ["model.safetensors", "model.safetensors.sha256"]
    assert not fetch("mimi").new
    done.path.write_bytes(BODY[:-1])
    with pytest.raises(ModelError, match="delete it and fetch it again"):
        fetch("mimi")


def test_a_cut_connection_is_resumed(server: Server, tmp_path: Path) -> None:
    server.cut = 300_000
    with pytest.raises(CodecError, match="the same command goes on"):
        fetch("mimi")
    part = tmp_path / "mimi" / "model.safetensors.part"
    kept = part.stat().st_size
    assert 0 < kept <= 300_000
    assert not weights.weights_path("mimi").exists()
    server.cut = None
    assert fetch("mimi").sha256 == DIGEST
    assert server.requests == [None, f"bytes={kept}-"]
    assert not part.exists()


def test_a_file_that_changed_meanwhile_starts_anew(server: Server) -> None:
    server.cut = 300_000
    with pytest.raises(CodecError):
        fetch("mimi")
    server.cut, server.etag, server.body = None, '"two"', BODY[::-1]
    assert fetch("mimi").path.read_bytes() == BODY[::-1]


def test_without_a_strong_tag_nothing_is_resumed(server: Server) -> None:
    server.cut, server.etag = 300_000, 'W/"one"'
    with pytest.raises(CodecError):
        fetch("mimi")
    server.cut = None
    assert fetch("mimi").sha256 == DIGEST
    assert server.requests == [None, None]


def test_a_part_longer_than_the_file_starts_anew(server: Server, tmp_path: Path) -> None:
    (tmp_path / "mimi").mkdir()
    (tmp_path / "mimi" / "model.safetensors.part").write_bytes(BODY + b"more")
    (tmp_path / "mimi" / "model.safetensors.part.etag").write_text('"one"')
    assert fetch("mimi").sha256 == DIGEST


def test_redirects_are_followed(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    point(monkeypatch, f"http://127.0.0.1:{server.server_port}/moved", DIGEST)
    assert fetch("mimi").pinned


def test_a_wrong_checksum_leaves_nothing(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    point(monkeypatch, weights.WEIGHTS["mimi"].url, "0" * 64)
    with pytest.raises(ModelError, match=f"has the sha256 {DIGEST}, not 000"):
        fetch("mimi")
    assert not list((tmp_path / "mimi").iterdir())


def test_not_there(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    point(monkeypatch, f"http://127.0.0.1:{server.server_port}/other")
    with pytest.raises(CodecError, match="answers 404"):
        fetch("mimi")


def test_no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SEMCODEC_MODELS", str(tmp_path))
    monkeypatch.setenv("no_proxy", "*")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # not listening: refused
        point(monkeypatch, f"http://127.0.0.1:{taken.getsockname()[1]}/file")
        with pytest.raises(CodecError, match="refused"):
            fetch("mimi")


def test_no_room_and_no_rights(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("SEMCODEC_MODELS", str(tmp_path / "file"))
    with pytest.raises(CodecError, match="Not a directory"):
        fetch("mimi")


def test_command_line(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    for said in ("fetched", "already here"):
        with pytest.raises(SystemExit) as exit_:
            main(["models", "--fetch", "mimi@n=8"])
        assert exit_.value.code == 0
        out = capsys.readouterr().out
        assert said in out
        assert "trusted on first use" in out
    with pytest.raises(SystemExit) as exit_:
        main(["models", "--fetch", "semcodec-2"])
    assert exit_.value.code == 2
    error = capsys.readouterr().err
    assert "no weights to fetch for 'semcodec-2'" in error
    assert error.count("\n") == 1
