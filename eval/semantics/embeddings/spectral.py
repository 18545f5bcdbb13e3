"""The baseline that every encoder must beat: the spectrogram itself."""

from __future__ import annotations

import numpy as np
import torch

from codec.features import LogMel
from eval.semantics.embeddings.clips import ClipEmbedder, whole_hops


def logmel() -> ClipEmbedder:
    """log10 mel magnitudes, 80 bands every 10 ms of 16 kHz audio.

    Example:
        >>> logmel().embed([np.zeros(1601, np.float32)], 16_000)[0].shape
        (11, 80)
    """
    mel = LogMel()

    def run(wave: np.ndarray) -> np.ndarray:
        return mel(torch.from_numpy(whole_hops(wave, mel.hop_length))[None])[0].numpy()

    return ClipEmbedder("logmel", run, mel.mel.n_mels, mel.hop_length, version="80 bands")
