"""What a metric sees and says."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np

from codec.audio.io import resample
from codec.data.domains import Domain
from codec.errors import CodecError

T = TypeVar("T")


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
        delay: of the codec in seconds, already taken out of the output.
    """

    reference: np.ndarray
    output: np.ndarray
    sample_rate: int
    domain: Domain
    text: str | None = None
    language: str | None = None
    delay: float = 0.0

    def __post_init__(self) -> None:
        if self.reference.ndim != 1 or self.reference.shape != self.output.shape:
            raise MetricError(f"reference of shape {self.reference.shape}, output of shape {self.output.shape}: not comparable")

    def require_sound(self) -> None:
        """Refuses silence, for metrics that are not defined for it.

        Raises:
            MetricError: the reference or the output is zero throughout.
        """
        for name, wave in (("reference", self.reference), ("output", self.output)):
            if not wave.any():
                raise MetricError(f"the {name} is silent")

    def at(self, sample_rate: int) -> Pair:
        """Both resampled to a metric's rate in Hz."""
        if sample_rate == self.sample_rate:
            return self
        reference, output = (resample(wave[None], self.sample_rate, sample_rate)[0] for wave in (self.reference, self.output))
        return Pair(reference, output, sample_rate, self.domain, self.text, self.language, self.delay)


class Once(Generic[T]):
    """A function of a pair that several metrics share: asked again for the same pair, it remembers.

    Args:
        function: for example a recogniser, whose words give both a word and a character error rate.
    """

    def __init__(self, function: Callable[[Pair], T]) -> None:
        self._function = function
        self._last: tuple[Pair, T] | None = None

    def __call__(self, pair: Pair) -> T:
        if self._last is None or self._last[0] is not pair:
            self._last = pair, self._function(pair)
        return self._last[1]


KEPT_RESULTS = 512
"""Of a slow function, the latest."""


class OfWave(Generic[T]):
    """A slow function of a wave, remembered by the wave's content: many codecs are compared with the same references.

    Args:
        function: for example a pitch tracker.
    """

    def __init__(self, function: Callable[[np.ndarray], T]) -> None:
        self._function = function
        self._found: dict[bytes, T] = {}

    def __call__(self, wave: np.ndarray) -> T:
        key = hashlib.sha256(np.ascontiguousarray(wave).tobytes()).digest()
        if key not in self._found:
            if len(self._found) >= KEPT_RESULTS:
                del self._found[next(iter(self._found))]
            self._found[key] = self._function(wave)
        return self._found[key]


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
    """The scores of one clip and codec.

    Attributes:
        values: by metric; a rate's counts stand beside it.
        failed: reason by metric.
    """

    values: dict[str, float] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
