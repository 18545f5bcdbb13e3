"""The routes: files in, files out, and live streams."""

from __future__ import annotations

import asyncio
import errno
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response, WebSocket, WebSocketDisconnect
from fastapi.exceptions import WebSocketRequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from pydantic import BaseModel
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send

from codec import __version__
from codec.errors import CodecError, ModelError, did_you_mean
from codec.files import FileReport, decode_file, encode_file
from codec.limits import MAX_CHANNELS, MAX_SAMPLE_RATE, MIN_SAMPLE_RATE
from codec.model import Codec
from codec.serve.limits import Gate, Limits, RefusedError, Watch
from codec.serve.live import stream_tokens
from codec.serve.metrics import Count, Metrics
from codec.serve.uploads import receive
from codec.serve.workspace import Workspace


class Problem(BaseModel):
    """Why a request was not served."""

    detail: str


class Health(BaseModel):
    """Tells that the server is up, and with which model."""

    status: str
    model: str
    version: str


_ABOUT = """Audio to tokens and back. A body is the file itself, or a form that holds it: `curl --data-binary @speech.flac`,
`curl -F file=@speech.flac`. What a client calls its file is not looked at.

Live audio goes through the WebSocket `/stream?sample_rate=&channels=&rate=&vocab=&low_latency=`, which this format cannot
describe: binary messages of 16-bit little-endian samples go in, the bytes of a `.sct` container come out as they are known,
and the text message `end` finishes it. It is accepted, and then closed with 1008 and a reason for unusable arguments or
messages and for an `end` before any sample or within one, with 1009 for a message of more than {max_message} bytes, with 1012
when the server stops, and with 1013 when all streams are taken or more comes than this server takes.
"""
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE}
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    400: {"model": Problem, "description": "Unusable audio, container or arguments"},
    413: {"model": Problem, "description": "Larger or longer than this server takes"},
    429: {"model": Problem, "description": "All places are taken"},
    503: {"model": Problem, "description": "Not done in time, or no room on this server"},
}
Rate = Annotated[int | None, Query(description="Tokens per second; default: the model's.")]
Vocab = Annotated[int | None, Query(description="Semantic vocabulary; default: the model's.")]
SampleRate = Annotated[int, Query(ge=MIN_SAMPLE_RATE, le=MAX_SAMPLE_RATE, description="In Hz.")]


def _body(about: str) -> dict[str, Any]:
    file = {"type": "string", "format": "binary"}
    form = {"type": "object", "properties": {"file": file}, "required": ["file"], "additionalProperties": False}
    content = {"application/octet-stream": {"schema": file}, "multipart/form-data": {"schema": form}}
    return {"requestBody": {"required": True, "description": about, "content": content}}


def _returns(media: str) -> dict[int | str, dict[str, Any]]:
    content = {media: {"schema": {"type": "string", "format": "binary"}}}
    about = "What is missing of audio that was cut short or damaged."
    return {
        200: {"content": content, "headers": {"X-Codec-Warning": {"description": about, "schema": {"type": "string"}}}},
        **_PROBLEMS,
    }


def create_app(model: Codec, limits: Limits | None = None) -> FastAPI:
    """A server for one model.

    Args:
        model: loaded, shared by all workers.
        limits: what it takes on.
    """
    limits = limits or Limits()
    gate, metrics = Gate(limits), Metrics()
    metrics.inside.set_function(lambda: gate.inside)
    metrics.streams.set_function(lambda: gate.streaming)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.workspace = Workspace()
        try:
            yield
        finally:
            app.state.workspace.close()

    about = _ABOUT.format(max_message=limits.max_message)
    app = FastAPI(title="semcodec", version=__version__, description=about, lifespan=lifespan)
    app.add_middleware(Count, metrics=metrics)

    @app.exception_handler(RefusedError)
    async def refuse(request: Request, error: RefusedError) -> JSONResponse:
        headers = {"Retry-After": "1"} if error.status in (429, 503) else None
        return JSONResponse({"detail": error.reason}, error.status, headers)

    @app.exception_handler(CodecError)
    async def explain(request: Request, error: CodecError) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 400)

    @app.exception_handler(WebSocketRequestValidationError)
    async def refuse_stream(socket: WebSocket, error: WebSocketRequestValidationError) -> None:
        await socket.accept()  # before that, a reason cannot be told
        first = error.errors()[0]
        await _close(socket, 1008, f"{first['loc'][-1]}: {first['msg']}")

    @app.get("/healthz")
    async def healthz() -> Health:
        """Whether the server is up."""
        return Health(status="ok", model=model.fingerprint, version=__version__)

    @app.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}})
    async def numbers() -> Response:
        """Numbers for Prometheus."""
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.post(
        "/encode", response_class=Response, responses=_returns("application/octet-stream"), openapi_extra=_body("Audio file")
    )
    async def encode(
        request: Request, rate: Rate = None, vocab: Vocab = None, semantic_only: bool = False, entropy: bool = False
    ) -> FileResponse:
        """Turns an audio file into a ``.sct`` container."""
        _check_parameters(request)
        if entropy:
            _need_entropy(model)
        work = partial(
            encode_file, model, rate=rate, vocab=vocab, semantic_only=semantic_only, entropy=entropy, ffmpeg=limits.ffmpeg
        )
        return await _serve(request, work, "tokens.sct", "application/octet-stream")

    @app.post("/decode", response_class=Response, responses=_returns("audio/wav"), openapi_extra=_body(".sct container"))
    async def decode(
        request: Request,
        sample_rate: Annotated[int | None, Query(ge=MIN_SAMPLE_RATE, le=MAX_SAMPLE_RATE, description="In Hz.")] = None,
        conceal: bool = False,
    ) -> FileResponse:
        """Turns a ``.sct`` container into a wav file of the original length."""
        _check_parameters(request)
        work = partial(decode_file, model, sample_rate=sample_rate, conceal=conceal)
        return await _serve(request, work, "audio.wav", "audio/wav")

    async def _serve(request: Request, work: Callable[..., FileReport], name: str, media: str) -> FileResponse:
        deadline = time.monotonic() + limits.timeout
        async with AsyncExitStack() as stack:
            async with gate.place():
                try:
                    folder = stack.enter_context(app.state.workspace.folder())
                except OSError as error:
                    raise _no_room() from error
                try:
                    await receive(request, folder / "body", limits, deadline)
                    async with gate.turn(deadline):
                        watch = Watch(limits, deadline)
                        report = await _in_thread(partial(work, str(folder / "body"), str(folder / name), progress=watch))
                except (CodecError, OSError) as error:
                    raise _explained(error, app.state.workspace.path, model.folder) from error
            metrics.audio.labels(request.url.path).inc(watch.seconds)
            return _Answer(
                folder / name, stack.pop_all(), limits.timeout,
                headers=_warnings(report), media_type=media, filename=name,
            )  # fmt: skip

    @app.websocket("/stream")
    async def stream(
        socket: WebSocket,
        sample_rate: SampleRate = 16_000,
        channels: Annotated[int, Query(ge=1, le=MAX_CHANNELS)] = 1,
        rate: Rate = None,
        vocab: Vocab = None,
        low_latency: bool = True,
    ) -> None:
        """16-bit samples in binary messages in, bytes of a container out; the text message ``end`` finishes it."""
        await socket.accept()
        try:
            _check_parameters(socket)
            async with gate.stream():
                await stream_tokens(model, socket, limits, sample_rate, channels, rate, vocab, low_latency)
                await socket.close()
        except (CodecError, RefusedError) as error:
            await _close(socket, 1013 if isinstance(error, RefusedError) else 1008, str(error))
        except WebSocketDisconnect:
            pass

    return app


class _Answer(FileResponse):
    """A result that is sent within a time limit; then its folder goes, whether the client took it, left, or stalled.

    Args:
        path: of the result.
        used: what to let go of afterwards.
        seconds: that a client may take to receive it.
        options: of the response.
    """

    def __init__(self, path: Path, used: AsyncExitStack, seconds: float, **options: Any) -> None:
        super().__init__(path, **options)
        self._used, self._seconds = used, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._used:
            try:
                await asyncio.wait_for(super().__call__(scope, receive, send), self._seconds)
            except asyncio.TimeoutError:
                return  # the server closes a connection whose answer is not whole


async def _close(socket: WebSocket, code: int, reason: str) -> None:
    """Closes a stream; a reason may have 123 bytes (RFC 6455 §5.5.1)."""
    await socket.close(code, reason.encode()[:123].decode("utf-8", "ignore"))


def _check_parameters(connection: HTTPConnection) -> None:
    """Refuses a parameter that there is not: one that is misspelt would be left out without a word.

    Raises:
        CodecError: there is one.
    """
    known = [field.alias for field in connection.scope["route"].dependant.query_params]
    for name in connection.query_params:
        if name not in known:
            raise CodecError(f"no parameter {name!r}{did_you_mean(name, known)}")


def _need_entropy(model: Codec) -> None:
    try:
        _ = model.entropy
    except ModelError as error:
        # The library's message names a folder of this server.
        raise CodecError("this server's model has no entropy tables") from error


def _no_room() -> RefusedError:
    return RefusedError(503, "no room on this server; try again later")


def _explained(error: CodecError | OSError, folder: Path, weights: Path | None) -> Exception:
    """What a client is told: not where this server keeps its files, and not to mend a request that only lacks room here."""
    cause = error if isinstance(error, OSError) else error.__cause__
    if isinstance(cause, OSError) and cause.errno in _NO_ROOM:
        return _no_room()
    # What the command line advises is another word here.
    told = re.sub(rf"{re.escape(str(folder))}(/\w+/)?", "", str(error)).replace("--conceal", "?conceal=true")
    return CodecError(told if weights is None else told.replace(str(weights), "this server's model"))


def _warnings(report: FileReport) -> dict[str, str] | None:
    """What is missing of the input, as a header."""
    muted = [f"{report.damaged_chunks} damaged chunks muted"] if report.damaged_chunks else []
    told = "; ".join([*report.warnings, *muted]).encode("ascii", "replace").decode()
    return {"X-Codec-Warning": "".join(filter(str.isprintable, told))} if told else None


async def _in_thread(work: Callable[[], FileReport]) -> FileReport:
    """Waits for the end even if the client goes away: a worker that still works is not free, nor is its folder done with."""
    running = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise
