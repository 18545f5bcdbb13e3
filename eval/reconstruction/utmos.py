"""UTMOSv2 (Baba et al., arXiv 2409.09305), for those who have the package and its weights: naturalness of the output."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from codec.errors import CodecError
from eval.reconstruction.interface import Metric, Pair

SAMPLE_RATE = 16_000


def metrics() -> list[Metric]:
    """``utmosv2``, on speech.

    Raises:
        CodecError: the package is not installed, or its weights cannot be had.
    """
    model = opened()

    def score(pair: Pair) -> float:
        pair.require_sound()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "output.wav"
            soundfile.write(path, np.clip(pair.at(SAMPLE_RATE).output, -1, 1), SAMPLE_RATE)
            return float(model.predict(input_path=str(path)))

    return [Metric("utmosv2", "MOS", True, ("speech",), score, "Baba et al., UTMOSv2, arXiv 2409.09305")]


def opened() -> Any:
    """The package's model."""
    try:
        import utmosv2
    except ImportError as error:
        raise CodecError("UTMOSv2 needs utmosv2: pip install git+https://github.com/sarulab-speech/UTMOSv2.git") from error
    try:
        return utmosv2.create_model(pretrained=True)
    except Exception as error:  # whatever networks and file formats raise
        raise CodecError(f"UTMOSv2 has no weights here ({' '.join(str(error).split())[:200]})") from error
