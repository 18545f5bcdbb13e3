"""Opinion scores that networks give to the output alone, without hearing the reference."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping

import numpy as np
import torch

from codec.errors import CodecError
from eval.reconstruction.interface import Metric, MetricError, Once, Pair

SAMPLE_RATE = 16_000
MIN_SECONDS = 0.1
DNSMOS_KEYS = {"dnsmos": "ovrl_mos", "dnsmos_sig": "sig_mos", "dnsmos_bak": "bak_mos", "dnsmos_p808": "p808_mos"}


def dnsmos(pair: Pair) -> Mapping[str, float]:
    """DNSMOS P.835 and P.808 of the output, by speechmos; clips shorter than 9 s are repeated, as its authors do.

    Returns:
        Overall, speech and background quality (P.835), and overall quality (P.808).

    Raises:
        MetricError: silence, or less than 0.1 s.
    """
    from speechmos import dnsmos as package

    return package.run(np.clip(_audible(pair), -1, 1), sr=SAMPLE_RATE)


class DistillMos:
    """DistillMOS (Stahl and Gamper, arXiv 2502.05356): a small model distilled from wav2vec 2.0 XLS-R.

    Raises:
        CodecError: distillmos is not installed.
    """

    def __init__(self) -> None:
        try:
            from distillmos import ConvTransformerSQAModel
        except ImportError as error:
            raise CodecError(f"DistillMOS needs {error.name}: pip install 'semcodec[eval]'") from error
        with contextlib.redirect_stdout(io.StringIO()):  # it tells where its weights lie
            self._model = ConvTransformerSQAModel().eval()

    @torch.inference_mode()
    def __call__(self, pair: Pair) -> float:
        return float(self._model(torch.from_numpy(_audible(pair))[None]))


def _audible(pair: Pair) -> np.ndarray:
    pair.require_sound()
    output = pair.at(SAMPLE_RATE).output
    if len(output) < MIN_SECONDS * SAMPLE_RATE:
        raise MetricError(f"{len(output) / SAMPLE_RATE:.3f} s are too short to have an opinion on")
    return output


def metrics() -> list[Metric]:
    """``dnsmos`` and its three parts, ``distillmos``."""
    try:
        from speechmos import dnsmos as _dnsmos  # noqa: F401 - a missing package shows now, not at the first clip
    except ImportError as error:
        raise CodecError(f"DNSMOS needs {error.name}: pip install 'semcodec[eval]'") from error
    scores = Once(dnsmos)
    cite = "Reddy et al., DNSMOS P.835, arXiv 2110.01763"
    four = [
        Metric(name, "MOS", True, ("speech",), lambda pair, key=key: float(scores(pair)[key]), cite)  # type: ignore[misc]
        for name, key in DNSMOS_KEYS.items()
    ]
    return [*four, Metric("distillmos", "MOS", True, ("speech",), DistillMos(), "Stahl and Gamper, arXiv 2502.05356")]
