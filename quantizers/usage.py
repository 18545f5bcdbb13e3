"""How evenly codes are used: the entropy of counts."""

from __future__ import annotations

import math

import numpy as np
from torch import Tensor


def entropy_of(counts: np.ndarray | Tensor) -> float:
    """Bits of the distribution that counts, or shares, describe; too low when there are not many more counts than codes.

    Example:
        >>> entropy_of(np.array([2, 1, 1, 0]))
        1.5
    """
    found = np.asarray(counts.cpu() if isinstance(counts, Tensor) else counts, np.float64)
    shares = found[found > 0] / max(found.sum(), 1e-300)
    return max(0.0, float(-(shares * np.log2(shares)).sum()))


def corrected_entropy_of(counts: np.ndarray) -> float:
    """The same with the Miller–Madow correction for how few the counts are, and not more than there can be.

    Args:
        counts: ``(K,)`` integers, those of codes that never occurred included.

    Example:
        >>> round(corrected_entropy_of(np.array([2, 1, 1, 0])), 2)
        1.86
    """
    bias = (int(np.count_nonzero(counts)) - 1) / (2 * max(int(counts.sum()), 1) * math.log(2))
    return min(entropy_of(counts) + bias, math.log2(len(counts)))
