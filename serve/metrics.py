"""Numbers for Prometheus, one registry a server."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest


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
        """In Prometheus' text format."""
        return generate_latest(self.registry)
