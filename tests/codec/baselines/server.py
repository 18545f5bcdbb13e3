"""A file server on this machine that can break off, point elsewhere, change its files and state checksums."""

from __future__ import annotations

import http.server
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Server(http.server.ThreadingHTTPServer):
    """Files by path; those below ``/store`` are the same ones, and every other path points there as the Hub does.

    Attributes:
        cut: breaks every connection after so many bytes.
        stated: checksum that is stated where it points to the store.
        requests: the ranges that were asked of the store.
    """

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = files
        self.cut: int | None = None
        self.stated: str | None = None
        self.requests: list[str | None] = []


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        if not self.path.startswith("/store"):
            self.send_response(302)
            self.send_header("Location", f"/store{self.path}")
            if self.server.stated:
                self.send_header("X-Linked-ETag", f'"{self.server.stated}"')
            self.end_headers()
            return
        body = self.server.files.get(self.path.removeprefix("/store"))
        if body is None:
            self.send_error(404)
            return
        wanted = self.headers.get("Range")
        self.server.requests.append(wanted)
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        self.send_response(206 if wanted else 200)
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.send_header("Content-Length", str(len(body) - start))
        self.send_header("ETag", '"one"')
        self.end_headers()
        self.wfile.write(body[start:][: self.server.cut])
        if self.server.cut is not None:
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def serving(files: dict[str, bytes]) -> Iterator[Server]:
    """Runs a server for a while."""
    server = Server(files)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
