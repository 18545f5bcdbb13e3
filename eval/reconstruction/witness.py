"""Words heard by a recogniser that taught no codec here, beside the one that was asked for: Moonshine, English only."""

from __future__ import annotations

from eval.reconstruction.interface import Metric
from eval.reconstruction.words import by_recogniser


def metrics() -> list[Metric]:
    """Shares of wrong words and characters, and of words against those that it hears in the reference, in %."""
    return by_recogniser("moonshine", ("wer_moonshine", "cer_moonshine", "dwer_moonshine"))
