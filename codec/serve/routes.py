"""The routes: files in, files out, and live streams."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response, WebSocket, WebSocketDisconnect
from fastapi.responses import FileResponse
from pydantic import BaseModel
from starlette.requests import HTTPConnection

from codec import __version__
from codec.errors import CodecError, did_you_mean
from codec.files import decode_file, encode_file
from codec.limits import MAX_CHANNELS, MAX_SAMPLE_RATE, MIN_SAMPLE_RATE
from codec.serve.limits import RefusedError
from codec.serve.live import refuse, stream_tokens
from codec.serve.service import Service


class Problem(BaseModel):
    """Why a request was not served."""

    detail: str


class Health(BaseModel):
    """Tells that the server is up, and with which model."""

    status: str
    model: str
    version: str


_PROBLEMS: dict[int | str, dict[str, Any]] = {
    400: {"model": Problem, "description": "Unusable audio, container or arguments"},
    413: {"model": Problem, "description": "Larger or longer than this server takes"},
    429: {"model": Problem, "description": "All places are taken"},
    503: {"model": Problem, "description": "Not done in time, or no room on this server"},
}


def _service(connection: HTTPConnection) -> Service:
    found = connection.app.state.service
    assert isinstance(found, Service)
    return found


Rate = Annotated[int | None, Query(description="Tokens per second; default: the model's.")]
Vocab = Annotated[int | None, Query(description="Semantic vocabulary; default: the model's.")]
SampleRate = Annotated[int, Query(ge=MIN_SAMPLE_RATE, le=MAX_SAMPLE_RATE, description="In Hz.")]
Shared = Annotated[Service, Depends(_service)]


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


router = APIRouter()


@router.get("/healthz")
async def healthz(service: Shared) -> Health:
    """Whether the server is up."""
    return Health(status="ok", model=service.model.fingerprint, version=__version__)


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}})
async def numbers(service: Shared) -> Response:
    """Numbers for Prometheus."""
    return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


@router.post(
    "/encode", response_class=Response, responses=_returns("application/octet-stream"), openapi_extra=_body("Audio file")
)
async def encode(
    request: Request,
    service: Shared,
    rate: Rate = None,
    vocab: Vocab = None,
    semantic_only: bool = False,
    entropy: bool = False,
) -> FileResponse:
    """Turns an audio file into a ``.sct`` container."""
    _check_parameters(request)
    if entropy:
        service.need_entropy()
    work = partial(
        encode_file,
        service.model,
        rate=rate,
        vocab=vocab,
        semantic_only=semantic_only,
        entropy=entropy,
        ffmpeg=service.limits.ffmpeg,
    )
    return await service.answer(request, work, "tokens.sct", "application/octet-stream")


@router.post("/decode", response_class=Response, responses=_returns("audio/wav"), openapi_extra=_body(".sct container"))
async def decode(
    request: Request,
    service: Shared,
    sample_rate: Annotated[int | None, Query(ge=MIN_SAMPLE_RATE, le=MAX_SAMPLE_RATE, description="In Hz.")] = None,
    conceal: bool = False,
) -> FileResponse:
    """Turns a ``.sct`` container into a wav file of the original length."""
    _check_parameters(request)
    work = partial(decode_file, service.model, sample_rate=sample_rate, conceal=conceal)
    return await service.answer(request, work, "audio.wav", "audio/wav")


@router.websocket("/stream")
async def stream(
    socket: WebSocket,
    service: Shared,
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
        async with service.gate.stream():
            await stream_tokens(service.model, socket, service.limits, sample_rate, channels, rate, vocab, low_latency)
            await socket.close()
    except (CodecError, RefusedError) as error:
        await refuse(socket, 1013 if isinstance(error, RefusedError) else 1008, str(error))
    except WebSocketDisconnect:
        pass


def _check_parameters(connection: HTTPConnection) -> None:
    """Refuses a parameter that there is not: one that is misspelt would be left out without a word.

    Raises:
        CodecError: there is one.
    """
    known = [field.alias for field in connection.scope["route"].dependant.query_params]
    for name in connection.query_params:
        if name not in known:
            raise CodecError(f"no parameter {name!r}{did_you_mean(name, known)}")
