"""What every page of ours gets from its server: limits on what comes in, headers on what goes out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codec.errors import CodecError

if TYPE_CHECKING:
    from fastapi import FastAPI

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

PAGE = Path(__file__).parent / "page"
_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
    "connect-src 'self'; form-action 'none'; base-uri 'none'"
)
"""What a page may load and do: nothing from elsewhere."""
_HEADERS = {
    "content-security-policy": f"{POLICY}; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(self)",
}


class Guard:
    """Refuses bodies over a limit before anything looks at them, and adds security headers to every answer.

    Args:
        app: the ASGI application inside.
        max_body: in bytes.
    """

    def __init__(self, app: Any, max_body: int) -> None:
        self._app, self._max_body = app, max_body

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                extra = [(key.encode(), value.encode()) for key, value in _HEADERS.items()]
                message["headers"] = [*message.get("headers", []), *extra]
            await send(message)

        body = await _read_body(scope, receive, self._max_body)
        if body is None:
            headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
            await send_with_headers({"type": "http.response.start", "status": 413, "headers": headers})
            await send_with_headers({"type": "http.response.body", "body": b'{"detail": "too large"}'})
            return
        whole: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return whole.pop() if whole else await receive()

        await self._app(scope, replay, send_with_headers)


async def _read_body(scope: Message, receive: Receive, limit: int) -> bytes | None:
    """All of it, or None as soon as it passes the limit."""
    declared = dict(scope["headers"]).get(b"content-length", b"0")
    if not declared.isdigit() or int(declared[:20]) > limit:
        return None
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > limit:
            return None
        if not message.get("more_body"):
            return bytes(body)


def new_app(title: str) -> FastAPI:
    """An application without the generated pages about itself, which would need scripts from elsewhere.

    Raises:
        CodecError: FastAPI is not installed.
    """
    try:
        from fastapi import FastAPI, Request
        from fastapi.exceptions import RequestValidationError
        from fastapi.responses import JSONResponse
    except ImportError as error:
        raise CodecError("pages need fastapi and uvicorn: pip install 'semcodec[web]'") from error
    app = FastAPI(title=title, docs_url=None, redoc_url=None, openapi_url=None)

    def refuse(request: Request, error: Exception) -> JSONResponse:
        # The framework's own answer quotes what came in, and breaks on bytes that are not text.
        return JSONResponse({"detail": "This request makes no sense."}, 422)

    app.add_exception_handler(RequestValidationError, refuse)
    return app


def add_page(app: FastAPI, index: str, names: tuple[str, ...], more: dict[str, str] | None = None) -> None:
    """Serves these files of ``page/`` and nothing else; ``index`` is the one at ``/``, ``more`` those at other addresses."""
    from fastapi import HTTPException
    from fastapi.responses import Response

    # Read once: what raters get does not change while they are at it.
    files = {name: (PAGE / name).read_bytes() for name in (index, *names, *(more or {}).values())}

    def serve(name: str) -> Response:
        if name not in files:
            raise HTTPException(404)
        return Response(files[name], media_type=_TYPES[Path(name).suffix], headers={"cache-control": "no-cache"})

    for path, name in {"/": index, **(more or {})}.items():
        app.get(path)(partial(serve, name))
    app.get("/page/{name}")(serve)


def run_server(app: Any, host: str, port: int, ready: Callable[[int], None]) -> None:
    """Serves until interrupted.

    Args:
        app: the ASGI application.
        host: address to serve on.
        port: to serve on; 0 takes any that is free.
        ready: told the port, once connections are accepted.

    Raises:
        CodecError: uvicorn is not installed, or the port is taken.
    """
    try:
        import uvicorn
    except ImportError as error:
        raise CodecError("pages need fastapi and uvicorn: pip install 'semcodec[web]'") from error
    import socket

    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        sock.listen()  # connections wait from here on: a browser may be faster than the server
    except (OSError, OverflowError) as error:
        sock.close()
        raise CodecError(f"cannot serve on {host}:{port}: {getattr(error, 'strerror', None) or error}") from error
    ready(sock.getsockname()[1])
    config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False)
    uvicorn.Server(config).run(sockets=[sock])
