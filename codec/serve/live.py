"""Live audio over a WebSocket."""

from __future__ import annotations

import asyncio

import numpy as np
from fastapi import WebSocket, WebSocketDisconnect

from codec.audio.pcm import AudioInfo, from_int16
from codec.errors import AudioError
from codec.model import Codec
from codec.pipes import LiveContainer
from codec.serve.limits import Limits, Watch


async def stream_tokens(
    model: Codec,
    socket: WebSocket,
    limits: Limits,
    sample_rate: int,
    channels: int,
    rate: int | None,
    vocab: int | None,
    low_latency: bool,
) -> None:
    """Encodes binary messages of 16-bit samples until ``end`` comes; sends chunks as they are ready.

    Raises:
        CodecError: unusable arguments or messages, no samples, or half a one at the end.
        RefusedError: silent for too long, or more audio than the server takes.
    """
    outgoing = _Outgoing()
    live = LiveContainer(model, outgoing, AudioInfo(sample_rate, channels), rate, vocab, low_latency)
    watch = Watch(limits, float("inf"))
    held = b""
    while True:
        await outgoing.send(socket)
        try:
            message = await asyncio.wait_for(socket.receive(), limits.timeout)
        except asyncio.TimeoutError:
            raise AudioError(f"nothing came for {limits.timeout:g} s") from None
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code") or 1000)
        if message.get("text") is not None:
            if message["text"] != "end":
                raise AudioError("messages are 16-bit samples, or the text 'end'")
            break
        held += message.get("bytes") or b""
        usable = len(held) - len(held) % (2 * channels)
        samples, held = np.frombuffer(held[:usable], "<i2").reshape(-1, channels).T, held[usable:]
        watch(samples.shape[1] / sample_rate)
        await asyncio.to_thread(live.push, from_int16(samples))
    if held:
        raise AudioError(f"the stream ends within a sample: its last {len(held)} bytes are not {2 * channels}")
    await asyncio.to_thread(live.close)
    await outgoing.send(socket)


async def refuse(socket: WebSocket, code: int, reason: str) -> None:
    """Ends a stream; a reason may have 123 bytes (RFC 6455 §5.5.1)."""
    await socket.close(code, reason.encode()[:123].decode("utf-8", "ignore"))


class _Outgoing:
    """Collects what a writer writes until it can be sent."""

    def __init__(self) -> None:
        self._waiting: list[bytes] = []

    def write(self, data: bytes) -> None:
        self._waiting.append(data)

    async def send(self, socket: WebSocket) -> None:
        data, self._waiting = b"".join(self._waiting), []
        if data:
            await socket.send_bytes(data)
