"""One stream of a codec that embeds several side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from eval.semantics.interface import Embedder


class Columns:
    """Some columns of another embedder's vectors.

    Args:
        name: of the result.
        whole: embeds all columns.
        chosen: which of them.
        bitrate: of the tokens behind them, in bits per second.
    """

    def __init__(self, name: str, whole: Embedder, chosen: slice, bitrate: float | None) -> None:
        self.name, self.whole, self.chosen, self.bitrate = name, whole, chosen, bitrate
        self.dim = len(range(*chosen.indices(whole.dim)))
        self.hop_seconds, self.trained = whole.hop_seconds, whole.trained
        self.version: str | None = getattr(whole, "version", None)

    def embed(self, waves: Sequence[np.ndarray], sample_rate: int) -> list[np.ndarray]:
        """See `Embedder.embed`."""
        return [vectors[:, self.chosen] for vectors in self.whole.embed(waves, sample_rate)]
