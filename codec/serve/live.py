"""Live audio over a WebSocket."""

from __future__ import annotations

import asyncio

import numpy as np
from fastapi import WebSocket, WebSocketDisconnect

from codec.container.bitstream import ContainerWriter
from codec.container.header import CHUNK_SECONDS, Header
from codec.errors import AudioError
from codec.model import Codec
from codec.serve.limits import Limits, Watch
from codec.streaming import LOW_LATENCY, WHOLE, StreamEncoder


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
        CodecError: unusable arguments or messages.
        RefusedError: silent for too long, or more audio than the server takes.
    """
    grid = LOW_LATENCY if low_latency else WHOLE
    tokens = model.describe(sample_rate, rate, vocab, channels)
    encoder = model.stream_encoder(sample_rate, channels, rate, vocab, grid)
    seconds = grid.core * model.engine.frame_length / model.sample_rate if low_latency else CHUNK_SECONDS
    outgoing = _Outgoing()
    writer = ContainerWriter(outgoing, Header.of(tokens, chunk_seconds=seconds))
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
        block, held = held[:usable], held[usable:]
        watch(len(block) / (2 * channels) / sample_rate)
        await asyncio.to_thread(_encode, encoder, writer, block, channels)
    writer.push(await asyncio.to_thread(encoder.flush))
    writer.close(encoder.samples)
    await outgoing.send(socket)


def _encode(encoder: StreamEncoder, writer: ContainerWriter, block: bytes, channels: int) -> None:
    samples = np.frombuffer(block, "<i2").reshape(-1, channels).T.astype(np.float32) / 32768
    writer.push(encoder.push(samples))


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
