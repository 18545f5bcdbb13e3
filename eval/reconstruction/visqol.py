"""ViSQOL: how similar a reference and an output sound, as a mean opinion score."""

from __future__ import annotations

import numpy as np

from codec.data.domains import DOMAINS
from codec.errors import CodecError
from eval.reconstruction.interface import Metric, MetricError, Pair

SPEECH_RATE = 16_000
AUDIO_RATE = 48_000
SHORTEST = {"speech": 0.64, "audio": 0.96}
"""In s. Spectra of 80 ms, 20 ms apart, are compared in patches of 20 or 30, the first of which begins half a patch late."""


class Visqol:
    """ViSQOL v3 (Chinen et al., arXiv 2004.09584) by visqol-python, one mode at a time.

    Two mappings from similarity to a score exist for speech. This is the polynomial one, under which identical signals
    get 5.0, as in the SemantiCodec paper; the newer lattice mapping gives them 4.5 and is much harsher on noise, so that
    the two must not be mixed. Audio has one mapping, a support vector regression; identical signals get 4.73.

    Args:
        mode: ``speech`` (at 16 kHz) or ``audio`` (at 48 kHz).

    Raises:
        CodecError: visqol-python is not installed.
    """

    def __init__(self, mode: str) -> None:
        try:
            from visqol import VisqolApi
        except ImportError as error:
            raise CodecError(f"ViSQOL needs {error.name}: pip install 'semcodec[eval]'") from error
        self._mode = mode
        self.sample_rate = SPEECH_RATE if mode == "speech" else AUDIO_RATE
        self._api = VisqolApi()
        self._api.create(mode=mode, use_lattice_model=False)

    def __call__(self, pair: Pair) -> float:
        pair.require_sound()
        pair = pair.at(self.sample_rate)
        if len(pair.reference) < round(SHORTEST[self._mode] * self.sample_rate):
            raise MetricError(f"ViSQOL: shorter than the {SHORTEST[self._mode]} s that its {self._mode} mode needs")
        try:
            result = self._api.measure_from_arrays(
                pair.reference.astype(np.float64), pair.output.astype(np.float64), sample_rate=self.sample_rate
            )
        except (ValueError, RuntimeError, IndexError) as error:  # what it raises where it finds nothing to compare
            raise MetricError(f"ViSQOL: {error}") from error
        return float(result.moslqo)


def metrics() -> list[Metric]:
    """``visqol``: the speech mode on speech, the audio mode on the rest; it tells which it was."""
    listeners: dict[str, Visqol] = {}

    def visqol(pair: Pair) -> float:
        mode = "speech" if pair.domain == "speech" else "audio"
        if mode not in listeners:
            listeners[mode] = Visqol(mode)
        return listeners[mode](pair)

    Visqol("speech")  # a missing package shows now, not at the first clip
    modes = "speech at 16 kHz, polynomial mapping; audio at 48 kHz, SVR mapping"
    cite = f"Chinen et al., ViSQOL v3, arXiv 2004.09584; {modes}"
    return [Metric("visqol", "MOS", True, DOMAINS, visqol, cite)]
