"""Asymmetric numeral systems (rANS, arXiv 1311.2540) on integers alone: the same bytes on every machine.

Frequencies of a symbol's alphabet add up to `TOTAL`. Coding is last in, first out: the encoder walks backwards through
intervals that are all known before it starts, the decoder forwards, choosing each alphabet by what it has decoded so far.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

PRECISION = 16
TOTAL = 1 << PRECISION
_LOWEST = 1 << 16
"""The state stays in ``_LOWEST … 65536 · _LOWEST``; 16 bits at a time move between it and the bytes."""


def encode(starts: Sequence[int], frequencies: Sequence[int]) -> bytes:
    """Codes symbols, each given by its interval ``start … start + frequency`` of ``0 … TOTAL``.

    Example:
        >>> encode([0, 32768, 0], [32768, 32768, 32768]).hex()
        '09000000'
    """
    state = _LOWEST
    words: list[int] = []
    for start, frequency in zip(reversed(starts), reversed(frequencies), strict=True):
        if state >= frequency << 16:
            words.append(state & 0xFFFF)
            state >>= 16
        state = (state // frequency << PRECISION) + state % frequency + start
    words += [state & 0xFFFF, state >> 16]
    return b"".join(word.to_bytes(2, "little") for word in reversed(words))


class Decoder:
    """Reads symbols back.

    Args:
        data: what `encode` returned.

    Raises:
        ValueError: too short.

    Example:
        >>> decoder = Decoder(bytes.fromhex("09000000"))
        >>> [decoder.symbol((0, 32768, 65536)) for _ in range(3)], decoder.close()
        ([0, 1, 0], None)
    """

    def __init__(self, data: bytes) -> None:
        if len(data) < 4 or len(data) % 2:
            raise ValueError(f"{len(data)} bytes are not entropy-coded data")
        self._words = [data[i] | data[i + 1] << 8 for i in range(0, len(data), 2)]
        self._state = self._words[0] << 16 | self._words[1]
        self._next = 2
        if self._state < _LOWEST:
            raise ValueError("entropy-coded data begins with an impossible state")

    def symbol(self, cumulative: Sequence[int]) -> int:
        """The next symbol, of an alphabet with the cumulative frequencies ``0, f0, f0 + f1, …, TOTAL``."""
        slot = self._state & (TOTAL - 1)
        symbol = bisect_right(cumulative, slot) - 1
        start = cumulative[symbol]
        self._state = (cumulative[symbol + 1] - start) * (self._state >> PRECISION) + slot - start
        if self._state < _LOWEST:
            if self._next == len(self._words):
                raise ValueError("entropy-coded data ends too early")
            self._state = self._state << 16 | self._words[self._next]
            self._next += 1
        return symbol

    def close(self) -> None:
        """Checks that everything was read and nothing is left over.

        Raises:
            ValueError: it was not.
        """
        if self._state != _LOWEST or self._next != len(self._words):
            raise ValueError("entropy-coded data does not end where it should")
