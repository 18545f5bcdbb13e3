"""How much of the future a codec waits for, found from outside: sounds that agree up to a moment, and where outputs part."""

from __future__ import annotations

import numpy as np

from codec.baselines.interface import Reconstructor

SAMPLE_RATE = 16_000
SECONDS = 8.0
PART = 5.0
"""Until when the two sounds agree, in s; not a multiple of any frame is needed, as the largest of several places counts."""
PLACES = (0.0, 0.007, 0.0137, 0.0209, 0.0331)
"""Added to it: where in a frame the sounds part decides how long its codes depend on it."""
TOLERANCE = 1e-3
"""Of the output's level: what differs by less is rounding, or a tail that nobody would wait for."""


def lookahead(codec: Reconstructor) -> float:
    """Seconds of sound after an instant that decide what is heard at it, the codec's own constant delay taken out.

    What codec and programs buffer beyond that is not in it: this is what no implementation could do without. Of codecs that
    see a whole clip it is as much as the clip has.

    Args:
        codec: any that runs offline.
    """
    rng = np.random.default_rng(0)
    samples = round(SECONDS * SAMPLE_RATE)
    ends = [sound_like(rng, samples) for _ in range(2)]
    longest = 0.0
    for place in PLACES:
        at = round((PART + place) * SAMPLE_RATE)
        first, second = (np.concatenate([ends[0][:at], end[at:]]).astype(np.float32) for end in (ends[0], ends[1]))
        one, other = (np.asarray(codec.decode(codec.encode(wave, SAMPLE_RATE)), np.float64) for wave in (first, second))
        level = float(np.sqrt(np.mean(one**2)))
        parted = np.flatnonzero(np.abs(one - other) > TOLERANCE * max(level, 1e-6))
        if len(parted):
            longest = max(longest, (at - int(parted[0])) / SAMPLE_RATE)
    return longest


def sound_like(rng: np.random.Generator, samples: int) -> np.ndarray:
    """Noise whose level moves as that of syllables: something to say at every moment, and nothing that repeats."""
    time = np.arange(samples) / SAMPLE_RATE
    level = 0.06 * (1.2 + np.sin(2 * np.pi * 3.7 * time + rng.uniform(0, 2 * np.pi)))
    return np.asarray(level * rng.standard_normal(samples))
