"""Codes of fixed length, packed bit by bit into the payload of a chunk."""

from __future__ import annotations

import numpy as np

from codec.errors import ContainerError
from quantizers.packing import bits_for, packed_size


def pack_frames(codes: np.ndarray, codebook_sizes: tuple[int, ...]) -> bytes:
    """Packs ``(channels, S, n)`` codes frame by frame: per channel, semantic then acoustic, each at its own width."""
    widths = [bits_for(size) for size in codebook_sizes]
    for stream, size in enumerate(codebook_sizes):
        if codes[:, stream].size and not 0 <= codes[:, stream].min() <= codes[:, stream].max() < size:
            raise ContainerError(f"stream {stream} holds codes outside 0 … {size - 1}")
    bits = [
        np.unpackbits(codes[:, s].astype(">u4")[..., None].view(np.uint8), axis=-1)[..., 32 - w :] for s, w in enumerate(widths)
    ]
    table = np.concatenate(bits, axis=-1)  # (channels, n, bits of a frame)
    return np.packbits(table.transpose(1, 0, 2).reshape(-1)).tobytes()


def unpack_frames(payload: bytes, frames: int, channels: int, codebook_sizes: tuple[int, ...]) -> np.ndarray:
    """Undoes `pack_frames`.

    Raises:
        ValueError: unused bits are set, or a code lies outside its codebook.
    """
    widths = [bits_for(size) for size in codebook_sizes]
    count = frames * channels * sum(widths)
    flat = np.unpackbits(np.frombuffer(payload, np.uint8))
    if len(payload) != packed_size(count, 1) or flat[count:].any():
        raise ValueError("unused bits are not zero")
    table = flat[:count].reshape(frames, channels, sum(widths)).transpose(1, 0, 2)
    codes = np.zeros((channels, len(widths), frames), np.int64)
    for stream, (size, stop) in enumerate(zip(codebook_sizes, np.cumsum(widths), strict=True)):
        width = widths[stream]
        codes[:, stream] = table[..., stop - width : stop] @ (1 << np.arange(width)[::-1])
        if (codes[:, stream] >= size).any():
            raise ValueError(f"codes outside 0 … {size - 1}")
    return codes


def unpack_beginning(payload: bytes, channels: int, codebook_sizes: tuple[int, ...]) -> np.ndarray:
    """Whole frames ``(channels, S, n)`` at the beginning of a payload that breaks off.

    Raises:
        ValueError: a code lies outside its codebook.
    """
    bits = channels * sum(bits_for(size) for size in codebook_sizes)
    frames = 8 * len(payload) // bits
    held = np.unpackbits(np.frombuffer(payload, np.uint8))[: frames * bits]
    return unpack_frames(np.packbits(held).tobytes(), frames, channels, codebook_sizes)
