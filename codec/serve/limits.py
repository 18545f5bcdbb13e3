"""What one server takes on at a time, and how it says no."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Limits:
    """The limits of a server.

    Attributes:
        workers: requests worked on at the same time.
        queue: further ones that wait.
        streams: WebSocket streams at the same time.
        max_bytes: of a body.
        max_seconds: of audio in or out.
        timeout: seconds that a request may wait and work, and that its client may take to receive the answer.
        ffmpeg: whether strangers' files may reach ffmpeg, for formats that libsndfile does not read.
        max_message: bytes of a WebSocket message.
    """

    workers: int = 2
    queue: int = 16
    streams: int = 8
    max_bytes: int = 64_000_000
    max_seconds: float = 7200.0
    timeout: float = 120.0
    ffmpeg: bool = False
    max_message: int = 1 << 20

    @property
    def grace(self) -> int:
        """Seconds after which a server that was told to stop stops waiting: more than any request can take.

        Work notices the end of its time only between blocks of audio, hence the last summand.
        """
        return math.ceil(2 * self.timeout) + 30


class RefusedError(Exception):
    """A request that is not served.

    Args:
        status: of HTTP: 413, 429 or 503.
        reason: one line.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


@dataclass
class Gate:
    """Lets ``workers`` in, ``queue`` wait, and refuses the others at once; streams have places of their own."""

    limits: Limits
    inside: int = 0
    streaming: int = 0
    _free: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self._free = asyncio.Semaphore(self.limits.workers)

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """A place in the queue, taken before anything of a body is read.

        Raises:
            RefusedError: 429, all are taken.
        """
        if self.inside >= self.limits.workers + self.limits.queue:
            raise RefusedError(429, "busy; try again later")
        self.inside += 1
        try:
            yield
        finally:
            self.inside -= 1

    @asynccontextmanager
    async def stream(self) -> AsyncIterator[None]:
        """A place for a live stream.

        Raises:
            RefusedError: 429, all are taken.
        """
        if self.streaming >= self.limits.streams:
            raise RefusedError(429, "all streams are taken")
        self.streaming += 1
        try:
            yield
        finally:
            self.streaming -= 1

    @asynccontextmanager
    async def turn(self, deadline: float) -> AsyncIterator[None]:
        """Waits for a worker.

        Raises:
            RefusedError: 503, none came free before the deadline.
        """
        try:
            await asyncio.wait_for(self._free.acquire(), max(0.0, deadline - time.monotonic()))
        except asyncio.TimeoutError:
            raise RefusedError(503, "no worker came free in time; try again later") from None
        try:
            yield
        finally:
            self._free.release()


class Watch:
    """Called with seconds of audio as they are done; ends work that takes too long or never stops.

    Args:
        limits: of the server.
        deadline: on the monotonic clock.
    """

    def __init__(self, limits: Limits, deadline: float) -> None:
        self._limits, self._deadline = limits, deadline
        self.seconds = 0.0

    def __call__(self, seconds: float) -> None:
        self.seconds += seconds
        if self.seconds > self._limits.max_seconds:
            raise RefusedError(413, f"more than {self._limits.max_seconds:g} s of audio")
        if time.monotonic() > self._deadline:
            raise RefusedError(503, f"not done within {self._limits.timeout:g} s")
