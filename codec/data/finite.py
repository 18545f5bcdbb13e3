"""Float files with samples that are no numbers, left behind by programs that divided by zero."""

from __future__ import annotations

import numpy as np
import soundfile

from codec.audio.formats import Spliced, Window, layout_of

BLOCK_SAMPLES = 1 << 18


def holds_numbers(path: str) -> bool:
    """Whether every sample of a readable file is a finite number.

    Decoding takes others for silence, as is right for a listener; training is better off without the clicks around them.
    Integer and compressed samples are always numbers, so only float files are read again.
    """
    try:
        with open(path, "rb", buffering=0) as handle:
            layout = layout_of(Window(handle))
            return layout is None or _all_finite(Spliced(handle, layout.parts[0].pieces))  # None: a format of ffmpeg's
    except (soundfile.SoundFileError, OSError, TypeError):
        return True


def _all_finite(handle: Spliced) -> bool:
    with soundfile.SoundFile(handle) as file:
        if file.subtype not in ("FLOAT", "DOUBLE"):
            return True
        return all(np.isfinite(block).all() for block in file.blocks(BLOCK_SAMPLES, dtype="float32"))
