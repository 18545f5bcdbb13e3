"""Numbers for Prometheus, one registry a server."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Metrics:
    """What ``/metrics`` shows."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter("codec_requests", "Requests by path and status", ["path", "status"], registry=self.registry)
        self.duration = Histogram("codec_request_seconds", "Seconds per request", ["path"], registry=self.registry)
        self.audio = Counter("codec_audio_seconds", "Seconds of audio done", ["path"], registry=self.registry)
        self.inside = Gauge("codec_requests_inside", "Requests waiting or worked on", registry=self.registry)
        self.streams = Gauge("codec_streams", "Open WebSocket streams", registry=self.registry)

    def text(self) -> bytes:
        """The metrics in Prometheus' text format."""
        return generate_latest(self.registry)


class Count:
    """Counts and times every HTTP request, the sending of its answer included.

    Args:
        app: that answers.
        metrics: that are told.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.monotonic(), 500

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, note)
        finally:
            path = getattr(scope.get("route"), "path", "other")  # names that clients make up must not become labels
            self._metrics.requests.labels(path, status).inc()
            self._metrics.duration.labels(path).observe(time.monotonic() - started)
