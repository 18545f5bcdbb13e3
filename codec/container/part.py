"""A part of a container by time, and the frames that its sound is made of."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from codec.errors import CodecError

if TYPE_CHECKING:
    from codec.token_spec import TokenSpec

CONTEXT_SECONDS = 2
"""Of tokens on either side of a part that its sound is made with: more than any network of ours looks at."""
LONGEST_SECONDS = 1e9
"""Beyond any file, and still a number of frames."""


@dataclass(frozen=True)
class Part:
    """What lies between two times.

    Attributes:
        start: in seconds.
        stop: in seconds; None: the end.

    Raises:
        CodecError: times before the beginning, or in the wrong order.
    """

    start: float = 0.0
    stop: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.start <= (math.inf if self.stop is None else self.stop):
            raise CodecError(f"a part from {self.start} s to {self.stop} s; times from 0 on in their order are expected")

    def frames(self, frame_rate: float) -> tuple[int, int | None]:
        """The nearest frames: first, and the one behind the last; None: the end."""
        first = math.floor(min(self.start, LONGEST_SECONDS) * frame_rate + 0.5)
        return first, None if self.stop is None else math.floor(min(self.stop, LONGEST_SECONDS) * frame_rate + 0.5)

    def in_context(self, spec: TokenSpec, sample_rate: int) -> tuple[int, int | None]:
        """The same with what stands around them; the first one begins where a sample of that rate does."""
        first, last = self.frames(spec.frame_rate)
        around = math.ceil(CONTEXT_SECONDS * spec.frame_rate)
        step = spec.samples_per_frame(sample_rate).denominator
        return max(0, first - around) // step * step, None if last is None else last + around
