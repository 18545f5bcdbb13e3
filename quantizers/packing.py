"""Exact bit packing: integers of a fixed width, most significant bit first, no gap between them."""

from __future__ import annotations

import numpy as np

MAX_BITS = 32


def bits_for(codebook_size: int) -> int:
    """Bits a code needs: ``ceil(log2(codebook_size))``.

    Example:
        >>> bits_for(4096), bits_for(5000)
        (12, 13)
    """
    if not 2 <= codebook_size <= 1 << MAX_BITS:
        raise ValueError(f"codebook size {codebook_size} is outside 2 … 2**{MAX_BITS}")
    return (codebook_size - 1).bit_length()


def packed_size(count: int, bits: int) -> int:
    """Bytes that ``count`` codes of ``bits`` bits fill."""
    return (count * bits + 7) // 8


def pack_bits(codes: np.ndarray, bits: int) -> bytes:
    """Packs non-negative integers of any shape, in C order.

    Raises:
        ValueError: a code does not fit into ``bits``, or is negative.

    Example:
        >>> pack_bits(np.array([1, 2, 3]), 4).hex()
        '1230'
    """
    _check_bits(bits)
    flat = np.ascontiguousarray(codes).reshape(-1).astype(np.int64)
    if flat.size and (flat.min() < 0 or flat.max() >> bits):
        raise ValueError(f"codes must lie in 0 … {2**bits - 1}")
    # Big-endian bytes of each code, of which the last `bits` bits are kept.
    table = np.unpackbits(flat.astype(">u8").view(np.uint8).reshape(-1, 8), axis=1)[:, 64 - bits :]
    return np.packbits(table).tobytes()


def unpack_bits(data: bytes, count: int, bits: int) -> np.ndarray:
    """Undoes `pack_bits`.

    Returns:
        ``(count,)`` int64.

    Raises:
        ValueError: ``data`` has not exactly the bytes that ``count`` codes fill, or its last unused bits are not 0.
    """
    _check_bits(bits)
    if count < 0 or len(data) != packed_size(count, bits):
        raise ValueError(f"{len(data)} bytes cannot hold exactly {count} codes of {bits} bits")
    stream = np.unpackbits(np.frombuffer(data, np.uint8))
    if stream[count * bits :].any():
        raise ValueError("unused bits are not zero")
    table = stream[: count * bits].reshape(count, bits)
    wide = np.zeros((count, 64), np.uint8)
    wide[:, 64 - bits :] = table
    return np.packbits(wide, axis=1).view(">u8").reshape(-1).astype(np.int64)


def _check_bits(bits: int) -> None:
    if not 1 <= bits <= MAX_BITS:
        raise ValueError(f"{bits} bits per code is outside 1 … {MAX_BITS}")
