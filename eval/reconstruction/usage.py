"""How much of its codebooks a codec uses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from codec import token_checks
from codec.errors import CodecError
from quantizers.usage import entropy_of


@dataclass(frozen=True)
class StreamUsage:
    """How one stream of tokens uses its codebook, over a set of clips.

    Attributes:
        codebook_size: tokens that could occur.
        tokens: that were seen.
        used: share of the codebook that occurred, 0 … 1; no more than ``tokens / codebook_size`` can.
        entropy: of the tokens' distribution, in bits; at most ``log2(codebook_size)``, and, being estimated from counts, too
            low when there are not many more tokens than codewords.
    """

    codebook_size: int
    tokens: int
    used: float
    entropy: float


def usage(codes: Iterable[np.ndarray], codebook_sizes: Sequence[int]) -> list[StreamUsage]:
    """Counts the tokens of many clips.

    Args:
        codes: ``(S, N)`` integers, one array a clip.
        codebook_sizes: of the S streams.

    Returns:
        One entry a stream.

    Raises:
        CodecError: no tokens, another number of streams, or a token outside its codebook.

    Example:
        >>> [stream] = usage([np.array([[0, 1, 0, 1]])], [4])
        >>> stream.used, stream.entropy
        (0.5, 1.0)
    """
    counts = [np.zeros(size, np.int64) for size in codebook_sizes]
    for clip in codes:
        check_codes(clip, codebook_sizes)
        for count, stream in zip(counts, clip, strict=True):
            count += np.bincount(stream, minlength=len(count))
    if not counts or not all(count.any() for count in counts):
        raise CodecError("no tokens to count")
    return [_stream(count) for count in counts]


def check_codes(codes: np.ndarray, codebook_sizes: Sequence[int]) -> None:
    """Refuses ``(S, N)`` tokens that do not fit their codebooks.

    Raises:
        CodecError: another number of streams, or a token outside its codebook.
    """
    if len(codes) != len(codebook_sizes):
        raise CodecError(f"{len(codes)} streams of tokens, {len(codebook_sizes)} codebooks")
    token_checks.check_codes(codes[None], codebook_sizes)


def _stream(count: np.ndarray) -> StreamUsage:
    return StreamUsage(len(count), int(count.sum()), float(np.mean(count > 0)), entropy_of(count))
