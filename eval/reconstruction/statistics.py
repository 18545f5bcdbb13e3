"""Temporary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Interval:
    mean: float
    low: float
    high: float


def bootstrap(values: Sequence[float]) -> Interval:
    data = np.asarray(values)
    draws = data[np.random.default_rng(0).integers(0, len(data), (2000, len(data)))].mean(1)
    return Interval(float(data.mean()), *map(float, np.percentile(draws, [2.5, 97.5])))


def paired(a: Sequence[float], b: Sequence[float]) -> Interval:
    return bootstrap(np.asarray(a) - np.asarray(b))
