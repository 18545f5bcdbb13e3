"""Counts of tokens: how many codewords are used, and how evenly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from quantizers.usage import corrected_entropy_of


@dataclass(frozen=True)
class Usage:
    """The usage of one stream, or of several that take turns.

    Attributes:
        tokens: counted.
        vocab: codewords there are, in all streams together.
        used: share of codewords that occur; at most tokens / vocab, however good the codebook is.
        entropy: of their frequencies, in bits per token (Miller–Madow corrected: plain counts of few tokens say too little).
        perplexity: 2 ** entropy, the number of equally frequent codewords with that entropy.
    """

    tokens: int
    vocab: int
    used: float
    entropy: float
    perplexity: float


def usage(codes: np.ndarray, vocab: int) -> Usage:
    """Usage of ``(N,)`` codes.

    Example:
        >>> round(usage(np.arange(8).repeat(1000), 8).entropy, 2)
        3.0
    """
    counts = np.bincount(codes, minlength=vocab)
    entropy = corrected_entropy_of(counts)
    return Usage(len(codes), vocab, int(np.count_nonzero(counts)) / vocab, entropy, 2**entropy)


def usage_in_turn(codes: np.ndarray, vocabs: Sequence[int]) -> Usage:
    """Usage of ``(N,)`` codes of streams that take turns, numbered one stream after the other; entropy is the streams' mean.

    Example:
        >>> usage_in_turn(np.array([0, 4, 1, 4] * 1000), (4, 4)).used
        0.375
    """
    edges = np.cumsum([0, *vocabs])
    streams = [usage(codes[turn :: len(vocabs)] - edges[turn], vocab) for turn, vocab in enumerate(vocabs)]
    entropy = sum(stream.entropy * stream.tokens for stream in streams) / max(len(codes), 1)
    used = sum(stream.used * stream.vocab for stream in streams) / sum(vocabs)
    return Usage(len(codes), sum(vocabs), used, entropy, 2**entropy)
