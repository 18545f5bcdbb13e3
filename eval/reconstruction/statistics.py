"""How sure a figure is: bootstrap intervals over clips, and differences on the clips that two codecs share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from codec.errors import CodecError
from eval.reconstruction.interface import Scores

RESAMPLES = 10_000
LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A figure and where it may lie.

    Attributes:
        value: on the clips at hand.
        low, high: ends of the 95 % percentile interval; None with a single clip, which says nothing of the spread.
        clips: that it is based on.
    """

    value: float
    low: float | None
    high: float | None
    clips: int


class Column(Protocol):
    """What statistics must know of a metric.

    Attributes:
        name: of its values.
        ratio: names of count and total, if it is a rate.
    """

    @property
    def name(self) -> str: ...
    @property
    def ratio(self) -> tuple[str, str] | None: ...


def bootstrap_mean(values: Sequence[float] | np.ndarray, resamples: int = RESAMPLES) -> Interval:
    """Mean over clips (Efron's percentile method: clips are drawn with replacement).

    Raises:
        CodecError: no values.

    Example:
        >>> interval = bootstrap_mean([1.0, 2.0, 3.0, 4.0])
        >>> interval.value, 1 <= interval.low < 2.5 < interval.high <= 4
        (2.5, True)
    """
    return bootstrap_ratio(values, np.ones(len(values)), resamples)


def bootstrap_ratio(
    counts: Sequence[float] | np.ndarray, totals: Sequence[float] | np.ndarray, resamples: int = RESAMPLES
) -> Interval:
    """Sum of counts / sum of totals, as for a word error rate: long clips weigh more, and both sums are resampled together.

    Raises:
        CodecError: no values, or nothing in the totals.
    """
    counts, totals = np.asarray(counts, np.float64), np.asarray(totals, np.float64)
    _check(counts, totals)
    draws = _draws(len(counts), resamples)
    return _interval(float(counts.sum() / totals.sum()), _divide(draws @ counts, draws @ totals), len(counts))


def paired_ratio(
    counts: Sequence[float] | np.ndarray,
    totals: Sequence[float] | np.ndarray,
    reference_counts: Sequence[float] | np.ndarray,
    reference_totals: Sequence[float] | np.ndarray,
    resamples: int = RESAMPLES,
) -> Interval:
    """Difference of two such ratios on the same clips in the same order; with totals of 1, of two means.

    Raises:
        CodecError: no values, or nothing in the totals.
    """
    first = np.asarray(counts, np.float64), np.asarray(totals, np.float64)
    second = np.asarray(reference_counts, np.float64), np.asarray(reference_totals, np.float64)
    for pair in (first, second):
        _check(*pair)
    draws = _draws(len(first[0]), resamples)
    samples = _divide(draws @ first[0], draws @ first[1]) - _divide(draws @ second[0], draws @ second[1])
    value = first[0].sum() / first[1].sum() - second[0].sum() / second[1].sum()
    return _interval(float(value), samples, len(first[0]))


def summarise(metric: Column, scores: Mapping[str, Scores]) -> Interval | None:
    """A metric's figure over clips; a rate is 100 × sum of counts / sum of totals.

    Args:
        metric: which.
        scores: of one codec, by clip; clips without a value are left out.

    Returns:
        None where no clip has a value.
    """
    counts, totals = _columns(metric, [clip for clip in scores.values() if metric.name in clip.values])
    return bootstrap_ratio(counts, totals) if len(counts) else None


def difference(metric: Column, scores: Mapping[str, Scores], reference: Mapping[str, Scores]) -> Interval | None:
    """A codec's figure minus a reference codec's, on the clips where both have a value.

    Args:
        metric: which.
        scores: of the codec, by clip.
        reference: of the codec that it is compared with.

    Returns:
        None where no clip has both; an interval without 0 is a difference that the choice of clips does not explain.
    """
    shared = [clip for clip in scores if clip in reference and metric.name in scores[clip].values]
    shared = [clip for clip in shared if metric.name in reference[clip].values]
    if not shared:
        return None
    own, other = (_columns(metric, [side[clip] for clip in shared]) for side in (scores, reference))
    return paired_ratio(*own, *other)


def _columns(metric: Column, clips: Sequence[Scores]) -> tuple[np.ndarray, np.ndarray]:
    """Counts and totals of clips, ``(clips,)`` each: of a metric that is no rate, values and ones."""
    if metric.ratio is None:
        return np.array([clip.values[metric.name] for clip in clips], np.float64), np.ones(len(clips))
    count, total = metric.ratio
    counts = [100 * clip.values[count] for clip in clips]
    return np.array(counts, np.float64), np.array([clip.values[total] for clip in clips], np.float64)


def _check(counts: np.ndarray, totals: np.ndarray) -> None:
    if not len(counts) or len(counts) != len(totals) or totals.sum() <= 0:
        raise CodecError("no values to average")


def _draws(clips: int, resamples: int) -> np.ndarray:
    """``(resamples, clips)``: how often each clip is drawn."""
    return np.random.default_rng(0).multinomial(clips, np.full(clips, 1 / clips), resamples).astype(np.float64)


def _divide(counts: np.ndarray, totals: np.ndarray) -> np.ndarray:
    return np.divide(counts, totals, out=np.full_like(counts, np.nan), where=totals > 0)


def _interval(value: float, samples: np.ndarray, clips: int) -> Interval:
    if clips == 1:
        return Interval(value, None, None, 1)
    low, high = np.nanquantile(samples, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(value, float(low), float(high), clips)
