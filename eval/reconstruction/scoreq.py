"""SCOREQ (Ragano et al., arXiv 2410.06675), for those who have the package and its weights: quality, alone and compared."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import torch
from torch import Tensor

from codec.errors import CodecError
from eval.reconstruction.interface import Metric, Pair

SAMPLE_RATE = 16_000


def metrics() -> list[Metric]:
    """``scoreq``, of the output alone, and ``scoreq_distance`` from the reference, on speech.

    Raises:
        CodecError: the package is not installed, or its weights cannot be had.
    """
    alone, against = opened("nr"), opened("ref")

    def score(pair: Pair) -> float:
        pair.require_sound()
        return float(alone.predict(test_path=_tensor(pair.at(SAMPLE_RATE).output)))

    def distance(pair: Pair) -> float:
        pair.require_sound()
        pair = pair.at(SAMPLE_RATE)
        return float(against.predict(test_path=_tensor(pair.output), ref_path=_tensor(pair.reference)))

    cite = "Ragano et al., SCOREQ, arXiv 2410.06675, models of the synthetic domain"
    return [
        Metric("scoreq", "MOS", True, ("speech",), score, cite),
        Metric("scoreq_distance", "", False, ("speech",), distance, cite),
    ]


def opened(mode: str) -> Any:
    """The package's model; it takes waves where it would read files, since it reads by torchcodec."""
    try:
        from scoreq import Scoreq
    except ImportError as error:
        raise CodecError(f"SCOREQ needs {error.name}: pip install scoreq") from error
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # it tells where it runs
            model = Scoreq(data_domain="synthetic", mode=mode)
    except Exception as error:  # whatever networks and file formats raise
        raise CodecError(f"SCOREQ has no weights here ({' '.join(str(error).split())[:200]})") from error
    model.load_processing = lambda wave, target_sr=SAMPLE_RATE: wave
    return model


def _tensor(wave: Any) -> Tensor:
    return torch.from_numpy(wave)[None]
