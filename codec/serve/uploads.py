"""A request's body on its way to disk: the file itself, or a form that holds it, within the server's limits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from codec.errors import CodecError
from codec.serve.limits import Limits, RefusedError

FORM_BYTES = 1 << 16
"""Of a form beside its file: boundaries and headers."""


async def receive(request: Request, path: Path, limits: Limits, deadline: float) -> None:
    """Writes the uploaded file to a path that does not exist yet. What the client calls it is not looked at.

    Raises:
        RefusedError: 413, it is too large; 503, it comes too slowly.
        CodecError: the client went away, or sent a form that does not hold exactly one file.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    form = OneFile(options.get(b"boundary", b"")) if kind == b"multipart/form-data" else None
    most = limits.max_bytes + (FORM_BYTES if form else 0)
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > most:
        raise too_large(limits)
    try:
        # Also for a client that sends nothing at all any more: its place is needed.
        await asyncio.wait_for(write_body(request, path, limits, most, form), max(0.0, deadline - time.monotonic()))
    except asyncio.TimeoutError:
        raise RefusedError(503, f"not received within {limits.timeout:g} s") from None
    except ClientDisconnect as error:
        raise CodecError("the body ends too early") from error


async def write_body(request: Request, path: Path, limits: Limits, most: int, form: OneFile | None) -> None:
    """Block by block, so that memory stays flat."""
    received = written = 0
    with path.open("xb") as handle:
        async for block in request.stream():
            received += len(block)
            data = form.push(block) if form else block
            written += len(data)
            if received > most or written > limits.max_bytes:
                raise too_large(limits)
            handle.write(data)
    if form:
        form.finish()


def too_large(limits: Limits) -> RefusedError:
    """How a large body is refused."""
    return RefusedError(413, f"more than {limits.max_bytes} bytes")


class OneFile:
    r"""A multipart form (RFC 7578) with one file and nothing else, taken apart as it comes: ``curl -F file=@speech.flac``.

    Args:
        boundary: of its parts, as the content type declares it.

    Raises:
        CodecError: no usable boundary.

    Example:
        >>> form = OneFile(b"x")
        >>> form.push(b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\nRI')
        b'RI'
        >>> form.push(b"FF\r\n--x--\r\n"), form.finish()
        (b'FF', None)
    """

    def __init__(self, boundary: bytes) -> None:
        handlers: dict[str, Callable[..., None]] = {
            "on_header_field": self._name,
            "on_header_value": self._value,
            "on_header_end": self._header,
            "on_headers_finished": self._part,
            "on_part_data": self._data,
            "on_end": self._end,
        }
        self._header_name = self._header_value = self._disposition = b""
        self._ready: list[bytes] = []
        self._files, self._ended = 0, False
        if not boundary:
            raise CodecError("a multipart form without a boundary")
        try:
            self._parser = MultipartParser(boundary, handlers)  # type: ignore[arg-type]
        except FormParserError as error:
            raise CodecError(f"not a multipart form: {error}") from error

    def push(self, block: bytes) -> bytes:
        """What of the file is in the next bytes of the form.

        Raises:
            CodecError: not a form, more than one file in it, or another field.
        """
        try:
            self._parser.write(block)
        except FormParserError as error:
            raise CodecError(f"not a multipart form: {error}") from error
        data = b"".join(self._ready)
        self._ready.clear()
        return data

    def finish(self) -> None:
        """Says that nothing more comes.

        Raises:
            CodecError: there was no file, or the form ends before its last boundary.
        """
        if not self._ended:
            raise CodecError("the form ends too early")
        if not self._files:
            raise CodecError("the form holds no file; send one as curl -F file=@speech.flac does")

    def _name(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _header(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            self._disposition = self._header_value
        self._header_name = self._header_value = b""

    def _part(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._disposition = b""
        if b"filename" not in options:
            raise CodecError("the form holds a field beside the file; arguments go into the address, as in /encode?rate=25")
        self._files += 1
        if self._files > 1:
            raise CodecError("the form holds more than one file; send one at a time")

    def _data(self, data: bytes, start: int, end: int) -> None:
        self._ready.append(data[start:end])

    def _end(self) -> None:
        self._ended = True
