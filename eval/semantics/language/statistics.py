"""Counts of tokens: how many codewords are used, and how evenly."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Usage:
    """Of one stream.

    Attributes:
        tokens: counted.
        vocab: codewords there are.
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
    shares = counts[counts > 0] / max(len(codes), 1)
    plain = float(-(shares * np.log2(shares)).sum())
    entropy = min(plain + (len(shares) - 1) / (2 * max(len(codes), 1) * math.log(2)), math.log2(vocab))
    return Usage(len(codes), vocab, len(shares) / vocab, entropy, 2**entropy)
