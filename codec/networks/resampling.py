"""Sample-rate conversion where networks are, for whole clips; close to the one of streams, which works on a processor."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torchaudio.transforms import Resample

from codec.tokens import model_samples

ZERO_CROSSINGS, ROLL_OFF, BETA = 86, 0.9565, 12.0
"""Of the windowed sinc: as soxr's HQ, it lets 0.913 of the band through, and leaves 120 dB less from its end on."""
LARGEST_RATIO = 1 << 10
"""Of a fraction that is worth a table: 44,100 to 16,000 Hz is 160/441; other rates are left to the processor."""


def is_simple(from_rate: int, to_rate: int) -> bool:
    """Whether the ratio of two rates is one that filters are made for here.

    Example:
        >>> is_simple(44_100, 16_000), is_simple(44_101, 16_000)
        (True, False)
    """
    common = math.gcd(from_rate, to_rate)
    return max(from_rate, to_rate) // common <= LARGEST_RATIO


def converted(clips: Sequence[np.ndarray], from_rate: int, to_rate: int, device: torch.device) -> list[torch.Tensor]:
    """Clips ``(samples,)`` of any lengths at another rate, on the device, as long as a stream makes them; all in one pass.

    Args:
        clips: to convert.
        from_rate: theirs in Hz.
        to_rate: the wanted one in Hz; `is_simple` holds of both.
        device: to work on.
    """
    longest = max(map(len, clips), default=0)
    if not longest:
        return [torch.zeros(0, device=device) for _ in clips]
    rows = np.zeros((len(clips), longest), np.float32)
    for row, clip in zip(rows, clips, strict=True):
        row[: len(clip)] = clip
    with torch.inference_mode():
        waves = _filter(from_rate, to_rate, device)(torch.from_numpy(rows).to(device))
    counts = [model_samples(len(clip), from_rate, to_rate) for clip in clips]
    return [wave[:count] for wave, count in zip(waves, counts, strict=True)]


@lru_cache(maxsize=8)
def _filter(from_rate: int, to_rate: int, device: torch.device) -> Resample:
    return Resample(
        from_rate, to_rate, "sinc_interp_kaiser", lowpass_filter_width=ZERO_CROSSINGS, rolloff=ROLL_OFF, beta=BETA
    ).to(device)
