"""``codec serve``."""

from __future__ import annotations

import socket
from typing import Annotated

import typer

from codec.errors import CodecError


def serve(
    model: Annotated[str, typer.Option("--model", "-m", help="default, a folder, or a .safetensors file.")] = "default",
    device: Annotated[str, typer.Option(help="cpu, cuda, or auto: a GPU if there is one.")] = "cpu",
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="Requests worked on at the same time, one thread each.")] = 2,
    queue: Annotated[int, typer.Option(min=0, help="Requests that wait; further ones get 429.")] = 16,
    streams: Annotated[int, typer.Option(min=0, help="WebSocket streams at the same time.")] = 8,
    max_mb: Annotated[float, typer.Option(min=0.001, help="Largest body; larger ones get 413.")] = 64.0,
    max_minutes: Annotated[float, typer.Option(min=0.001, help="Longest audio; longer gets 413.")] = 120.0,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds a request may wait and work; then it gets 503.")] = 120.0,
    ffmpeg: Annotated[
        bool, typer.Option("--ffmpeg", help="Also take formats that only ffmpeg reads: m4a, webm, wma, …")
    ] = False,
) -> None:
    """Serve POST /encode, POST /decode, WS /stream, /healthz, /metrics; the API is described at /docs."""
    try:
        import uvicorn

        from codec.serve.app import create_app
        from codec.serve.limits import Limits
        from codec.serve.workspace import Workspace
    except ImportError as error:
        raise CodecError(f"the service needs {error.name}: pip install 'semcodec[serve]'") from error
    from codec.hub import load_own
    from codec.threads import one_each

    listener = _listen(host, port)
    try:
        Workspace().close()  # here it is one line; the server makes its own while it starts
    except OSError as error:
        raise CodecError(f"no folder for temporary files can be made: {error.strerror}; TMPDIR names the place") from error
    limits = Limits(
        workers, queue, streams, max_bytes=round(max_mb * 1e6), max_seconds=max_minutes * 60, timeout=timeout, ffmpeg=ffmpeg
    )
    with one_each():
        app = create_app(load_own(model, device=device), limits)
        # On SIGTERM: no new connections, what runs is answered, then exit.
        config = uvicorn.Config(app, log_level="info", timeout_graceful_shutdown=limits.grace, ws_max_size=limits.max_message)
        uvicorn.Server(config).run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    """A socket of our own, since uvicorn tells in its log, not in one line, that a port is taken."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise CodecError(f"cannot serve on {host}:{port}: {error.strerror}") from error
    return listener
