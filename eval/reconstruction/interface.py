"""What a metric sees and says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from codec.errors import CodecError

Domain = Literal["speech", "music", "sound"]


class MetricError(CodecError):
    """A metric that cannot be computed on this clip, with its reason; reported and counted, never averaged in."""


@dataclass(frozen=True)
class Pair:
    """A reference and what a codec made of it.

    Attributes:
        reference, output: ``(samples,)`` float32 of equal length.
        sample_rate: of both, in Hz.
        domain: decides, for example, which ViSQOL model listens.
        text: what is said, where it is known.
        language: of ``text``, as in ``en``.
    """

    reference: np.ndarray
    output: np.ndarray
    sample_rate: int
    domain: Domain
    text: str | None = None
    language: str | None = None

    def __post_init__(self) -> None:
        if self.reference.ndim != 1 or self.reference.shape != self.output.shape:
            raise MetricError(f"reference of shape {self.reference.shape}, output of shape {self.output.shape}: not comparable")


@dataclass(frozen=True)
class Metric:
    """A named function of a pair.

    Attributes:
        name: column of a table, ``visqol`` for example.
        unit: ``dB``, ``%``, ``MOS`` or empty.
        higher_is_better: direction.
        domains: it makes sense on.
        function: value of one pair, or its value beside other named ones; raises `MetricError` when it cannot tell.
        cite: paper or standard.
        ratio: of a rate such as the word error rate, the names of its count and of what it is out of, both among the
            function's values: over many clips the figure is 100 × (sum of counts) / (sum of totals), never a mean of rates.
    """

    name: str
    unit: str
    higher_is_better: bool
    domains: tuple[Domain, ...]
    function: Callable[[Pair], float | Mapping[str, float]]
    cite: str = ""
    ratio: tuple[str, str] | None = None


@dataclass(frozen=True)
class Scores:
    """Of one clip and codec.

    Attributes:
        values: by metric; a rate's counts stand beside it.
        failed: reason by metric.
    """

    values: dict[str, float] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
