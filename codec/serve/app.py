"""The server: its routes, and how it says what went wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, WebSocket
from fastapi.exceptions import WebSocketRequestValidationError
from fastapi.responses import JSONResponse

from codec import __version__
from codec.errors import CodecError
from codec.model import Codec
from codec.serve.limits import Limits, RefusedError
from codec.serve.live import refuse
from codec.serve.metrics import Count
from codec.serve.routes import router
from codec.serve.service import Service
from codec.serve.workspace import Workspace

_ABOUT = """Audio to tokens and back. A body is the file itself, or a form that holds it: `curl --data-binary @speech.flac`,
`curl -F file=@speech.flac`. What a client calls its file is not looked at.

Live audio goes through the WebSocket `/stream?sample_rate=&channels=&rate=&vocab=&low_latency=`, which this format cannot
describe: binary messages of 16-bit little-endian samples go in, the bytes of a `.sct` container come out as they are known,
and the text message `end` finishes it. It is accepted, and then closed with 1008 and a reason for unusable arguments or
messages and for an `end` before any sample or within one, with 1009 for a message of more than {max_message} bytes, with 1012
when the server stops, and with 1013 when all streams are taken or more comes than this server takes.
"""


def create_app(model: Codec, limits: Limits | None = None) -> FastAPI:
    """A server for one model.

    Args:
        model: loaded, shared by all workers.
        limits: what it takes on.
    """
    service = Service(model, limits or Limits())
    about = _ABOUT.format(max_message=service.limits.max_message)
    app = FastAPI(title="semcodec", version=__version__, description=about, lifespan=_lifespan)
    app.state.service = service
    app.add_middleware(Count, metrics=service.metrics)
    app.include_router(router)
    app.exception_handler(RefusedError)(_refuse)
    app.exception_handler(CodecError)(_explain)
    app.exception_handler(WebSocketRequestValidationError)(_refuse_stream)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    workspace = app.state.service.workspace = Workspace()
    try:
        yield
    finally:
        workspace.close()


async def _refuse(request: Request, error: RefusedError) -> JSONResponse:
    headers = {"Retry-After": "1"} if error.status in (429, 503) else None
    return JSONResponse({"detail": error.reason}, error.status, headers)


async def _explain(request: Request, error: CodecError) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, 400)


async def _refuse_stream(socket: WebSocket, error: WebSocketRequestValidationError) -> None:
    await socket.accept()  # before that, a reason cannot be told
    first = error.errors()[0]
    await refuse(socket, 1008, f"{first['loc'][-1]}: {first['msg']}")
