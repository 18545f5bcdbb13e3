"""Random numbers of a step: of a run's seed and the step alone, so that a resumed run draws what an unbroken one does."""

from __future__ import annotations

import torch

STEPS_APART = 1_000_003
"""Between the numbers of two seeds: more than a run has steps."""
ITEMS_APART = 4096
"""Between the numbers of two steps where items draw for themselves: more than a batch holds."""
CODEC_CROPS, ADVERSARIAL_CROPS, TRACKER_CROPS, VOCODER_CROPS = 17, 31, 47, 61
"""Added to the seed, so that these stages see other crops than pretraining and each other."""
UNUSED_BATCHES = 1_000_000_000
"""Number of the first batch that no run gets to: for statistics of the data."""


def step_generator(seed: int, step: int, item: int | None = None) -> torch.Generator:
    """Random numbers of a step, the same in all processes; or of one of its items.

    Example:
        >>> first, second = (torch.rand(1, generator=step_generator(0, 5)) for _ in range(2))
        >>> torch.equal(first, second)
        True
    """
    number = seed * STEPS_APART + step
    return torch.Generator().manual_seed(number if item is None else number * ITEMS_APART + item)
