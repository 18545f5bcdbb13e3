"""A pitch for what is higher than any voice: of its octave or twelfth below, every other harmonic or every third is its own.

The pitch tracker ends where voices do, and takes a violin's or a siren's notes above that for noise, as which they were drawn.
"""

from __future__ import annotations

import torch
from torch import Tensor

from codec.networks.frontend import correlogram_hertz
from codec.networks.pitch import Pitch
from codec.networks.tones import QUIETEST, Lines, harmonic, pure_frames

PERIODIC = 0.5
"""Height of the correlogram that no consonant, breath or room reaches: these stay below 0.35."""
HIGHEST_PITCH = 550.0
"""In Hz, of what two lines are harmonics of; some room is left above it, for the pitch that the decoder corrects."""
MOST_HARMONICS = 12
"""Number of the strongest line, above which it is uncertain."""


def with_high_pitch(pitch: Pitch, correlogram: Tensor, lines: Lines) -> Pitch:
    """Gives frames a pitch that the tracker found none in, where they have a period and are no tones.

    Args:
        pitch: ``(B, T)`` of the tracker.
        correlogram: ``(B, T, n_lags)``.
        lines: of the same frames.
    """
    low, high = lines.frequency.unbind(-1)
    strongest = torch.where(lines.amplitude[..., 1] > lines.amplitude[..., 0], high, low)
    height, lag = correlogram.max(-1)
    told_by_lines = harmonic(lines)
    below = low / (low / HIGHEST_PITCH).ceil().clamp_min(1)
    rough = torch.where(told_by_lines, below, correlogram_hertz(correlogram.shape[-1]).to(low)[lag])
    number = (strongest / rough).round()
    found = (told_by_lines | (height > PERIODIC)) & (number >= 1) & (number <= MOST_HARMONICS)
    found &= (pitch.voiced == 0) & ~pure_frames(lines, pitch.voiced) & (lines.amplitude.amax(-1) >= QUIETEST)
    return Pitch(torch.where(found, strongest / number.clamp_min(1), pitch.f0), torch.where(found, 1.0, pitch.voiced))
