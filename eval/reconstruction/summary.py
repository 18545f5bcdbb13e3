"""Means over the clips of a domain, with intervals, and paired differences against one codec."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from codec.data.domains import Domain
from eval.reconstruction import statistics
from eval.reconstruction.interface import Scores
from eval.reconstruction.results import MetricInfo, Results, Row
from eval.reconstruction.statistics import Interval
from eval.reconstruction.usage import StreamUsage, usage


@dataclass(frozen=True)
class Score:
    """The score of one codec, domain and metric.

    Attributes:
        mean: with its 95 % interval, for rates the ratio of sums; None where the metric failed on every clip.
        failed: clips on which the metric failed, left out of the mean.
        difference: from the reference codec, over the clips that both have; None without one.
    """

    mean: Interval | None
    failed: int
    difference: Interval | None = None


@dataclass(frozen=True)
class Summary:
    """The summary of one codec and domain.

    Attributes:
        codec: its name.
        domain: of the clips.
        clips: that it was run on.
        failed: clips on which the codec itself failed.
        kbps: measured, of all clips together; None if it failed on all.
        encode_speed, decode_speed: seconds of audio per second of work on one thread.
        peak_memory: bytes, the largest of all clips; None where not measured.
        streams: what of each codebook its tokens used; empty for a codec without tokens.
        scores: by metric.
    """

    codec: str
    domain: Domain
    clips: int
    failed: int
    kbps: float | None
    encode_speed: float | None
    decode_speed: float | None
    peak_memory: int | None
    streams: tuple[StreamUsage, ...]
    scores: dict[str, Score] = field(default_factory=dict)


def summarise(results: Results, reference: str | None = None) -> list[Summary]:
    """One for each domain and codec, in this order.

    Args:
        results: of a run.
        reference: codec that the others are compared with.
    """
    summaries = []
    for domain in results.domains:
        names = metric_names(results, domain)
        base = [row for row in results.rows if row.domain == domain and row.codec == reference]
        for codec in results.codecs:
            rows = [row for row in results.rows if row.domain == domain and row.codec == codec.name]
            if rows:
                compared = base if codec.name != reference else []
                scores = {name: _score(rows, compared, results.metric(name)) for name in names}
                summaries.append(_summary(codec.name, domain, rows, scores))
    return summaries


def metric_names(results: Results, domain: Domain) -> list[str]:
    """Metrics that have or should have values in a domain: those asked for, then what they say besides."""
    rows = [row for row in results.rows if row.domain == domain]
    names = {name for row in rows for name in (*row.values, *row.failed)}
    names -= {part for metric in results.metrics for part in metric.ratio or ()}
    asked = [metric.name for metric in results.metrics]
    return [name for name in asked if name in names] + sorted(names - set(asked))


def _summary(codec: str, domain: Domain, rows: Sequence[Row], scores: dict[str, Score]) -> Summary:
    done = [row for row in rows if row.error is None]
    seconds = sum(row.seconds for row in done)
    memory = [row.peak_memory for row in done if row.peak_memory is not None]
    return Summary(
        codec=codec,
        domain=domain,
        clips=len(rows),
        failed=len(rows) - len(done),
        kbps=sum(row.bits or 0 for row in done) / seconds / 1000 if done else None,
        encode_speed=_speed(seconds, [row.encode_seconds for row in done]),
        decode_speed=_speed(seconds, [row.decode_seconds for row in done]),
        peak_memory=max(memory, default=None),
        streams=_streams(done),
        scores=scores,
    )


def _streams(rows: Sequence[Row]) -> tuple[StreamUsage, ...]:
    coded = [row for row in rows if row.codes and row.codes[0]]
    return tuple(usage([np.array(row.codes) for row in coded], coded[0].codebook_sizes)) if coded else ()


def _score(rows: Sequence[Row], base: Sequence[Row], metric: MetricInfo) -> Score:
    scores, others = ({row.clip: Scores(row.values, row.failed) for row in side} for side in (rows, base))
    return Score(
        mean=statistics.summarise(metric, scores),
        failed=sum(metric.name in row.failed for row in rows),
        difference=statistics.difference(metric, scores, others),
    )


def _speed(audio: float, work: Sequence[float | None]) -> float | None:
    total = sum(seconds for seconds in work if seconds is not None)
    return audio / total if total > 0 else None
