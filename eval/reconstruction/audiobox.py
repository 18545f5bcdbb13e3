"""Audiobox Aesthetics (Tjandra et al., arXiv 2502.05139), for those who have the package and its weights, on any sound."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch

from codec.data.domains import DOMAINS
from codec.errors import CodecError
from eval.reconstruction.interface import Metric, Once, Pair

SAMPLE_RATE = 16_000
AXES = {"audiobox_pq": "PQ", "audiobox_ce": "CE", "audiobox_cu": "CU", "audiobox_pc": "PC"}
"""Production quality, content enjoyment, content usefulness, production complexity."""


def metrics() -> list[Metric]:
    """``audiobox_pq``, ``audiobox_ce``, ``audiobox_cu``, ``audiobox_pc``, from 1 to 10.

    Raises:
        CodecError: the package is not installed, or its weights cannot be had.
    """
    model = opened()

    def heard(pair: Pair) -> Mapping[str, float]:
        pair.require_sound()
        wave = torch.from_numpy(pair.at(SAMPLE_RATE).output)[None]
        scores: Mapping[str, float] = model.forward([{"path": wave, "sample_rate": SAMPLE_RATE}])[0]
        return scores

    once, cite = Once(heard), "Tjandra et al., Meta Audiobox Aesthetics, arXiv 2502.05139"
    return [Metric(name, "", True, DOMAINS, partial(_axis, once, axis), cite) for name, axis in AXES.items()]


def opened() -> Any:
    """The package's model."""
    try:
        from audiobox_aesthetics.infer import initialize_predictor
    except ImportError as error:
        raise CodecError("Audiobox Aesthetics needs audiobox_aesthetics: pip install audiobox-aesthetics") from error
    try:
        return initialize_predictor()
    except Exception as error:  # whatever hub and file formats raise
        raise CodecError(f"Audiobox Aesthetics has no weights here ({' '.join(str(error).split())[:200]})") from error


def _axis(scores: Once[Mapping[str, float]], axis: str, pair: Pair) -> float:
    return float(scores(pair)[axis])
