"""Is it still the same voice?"""

from __future__ import annotations

import warnings

import numpy as np

from codec.errors import CodecError
from eval.reconstruction.interface import Metric, MetricError, Pair

SAMPLE_RATE = 16_000


class SpeakerSimilarity:
    """Cosine of two speaker embeddings: GE2E (Wan et al., arXiv 1710.10467), the encoder that Resemblyzer ships.

    Resemblyzer trims long silences first; both signals pass through it alike.

    Raises:
        CodecError: Resemblyzer is not installed.
    """

    def __init__(self) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # an old name of a SciPy function
                import resemblyzer
        except ImportError as error:
            # Its own requirements name a webrtcvad that no longer imports and a 'typing' that shadows Python's.
            raise CodecError(
                f"speaker similarity needs {error.name}: pip install 'semcodec[eval]' && pip install --no-deps resemblyzer"
            ) from error
        self._prepare = resemblyzer.preprocess_wav
        self._encoder = resemblyzer.VoiceEncoder("cpu", verbose=False)

    def embed(self, wave: np.ndarray) -> np.ndarray:
        """``(samples,)`` at 16 kHz → ``(256,)`` of unit length.

        Raises:
            MetricError: no speech found.
        """
        speech = self._prepare(np.clip(wave, -1, 1), SAMPLE_RATE)
        if not len(speech):
            raise MetricError("no speech found, so no speaker")
        return self._encoder.embed_utterance(speech)

    def __call__(self, pair: Pair) -> float:
        pair.require_sound()
        pair = pair.at(SAMPLE_RATE)
        return float(np.clip(self.embed(pair.reference) @ self.embed(pair.output), -1, 1))


def metrics() -> list[Metric]:
    """``speaker_similarity``."""
    cite = "Wan et al., Generalized end-to-end loss for speaker verification, arXiv 1710.10467 (Resemblyzer)"
    return [Metric("speaker_similarity", "", True, ("speech",), SpeakerSimilarity(), cite)]
