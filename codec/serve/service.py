"""What all routes share: a model, its limits and counts, and the way of a file through it."""

from __future__ import annotations

import asyncio
import errno
import re
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import FileResponse
from starlette.types import Receive, Scope, Send

from codec.errors import CodecError, ModelError
from codec.files import FileReport
from codec.model import Codec
from codec.serve.limits import Gate, Limits, RefusedError, Watch
from codec.serve.metrics import Metrics
from codec.serve.uploads import receive
from codec.serve.workspace import Workspace

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE}


class Service:
    """One model and what it takes on.

    Args:
        model: loaded, shared by all workers.
        limits: what it takes on.

    Attributes:
        gate: who is let in.
        metrics: what is counted.
        workspace: where bodies and results lie; the app makes it when it starts.
    """

    workspace: Workspace

    def __init__(self, model: Codec, limits: Limits) -> None:
        self.model, self.limits = model, limits
        self.gate, self.metrics = Gate(limits), Metrics()
        self.metrics.inside.set_function(lambda: self.gate.inside)
        self.metrics.streams.set_function(lambda: self.gate.streaming)

    async def answer(self, request: Request, work: Callable[..., FileReport], name: str, media: str) -> FileResponse:
        """The file that some work makes of a request's body.

        Args:
            request: whose body is the file, or a form that holds it.
            work: called with the paths of body and result, and with ``progress``.
            name: of the result.
            media: its type.

        Raises:
            CodecError: the body is unusable.
            RefusedError: all places are taken, the body is too large, or it is not done in time.
        """
        deadline = time.monotonic() + self.limits.timeout
        async with AsyncExitStack() as stack:
            async with self.gate.place():
                try:
                    folder = stack.enter_context(self.workspace.folder())
                except OSError as error:
                    raise _no_room() from error
                body, result = folder / "body", folder / name
                try:
                    await receive(request, body, self.limits, deadline)
                    async with self.gate.turn(deadline):
                        watch = Watch(self.limits, deadline)
                        report = await _in_thread(partial(work, str(body), str(result), progress=watch))
                except (CodecError, OSError) as error:
                    raise _explained(error, self.workspace.path, self.model.folder) from error
            self.metrics.audio.labels(request.url.path).inc(watch.seconds)
            return _Answer(
                result, stack.pop_all(), self.limits.timeout, headers=_warnings(report), media_type=media, filename=name
            )

    def need_entropy(self) -> None:
        """Finds out whether the model can code by entropy.

        Raises:
            CodecError: it has no tables.
        """
        try:
            _ = self.model.entropy
        except ModelError as error:
            # The library's message names a folder of this server.
            raise CodecError("this server's model has no entropy tables") from error


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
