"""Whisper's encoder from CTranslate2 files, as faster-whisper keeps them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from codec.errors import CodecError
from codec.provenance import sha256_of
from eval.semantics.embeddings.clips import SAMPLE_RATE, ClipEmbedder, first_line, whole_hops

HOP = 320  # samples per encoder frame: two mel frames
WINDOW = 30 * SAMPLE_RATE


def whisper_ct2(folder: str | Path) -> ClipEmbedder:
    """Last hidden states of Whisper's encoder, 50 a second, over the clip alone instead of over a padded 30 s window.

    Args:
        folder: a CTranslate2 Whisper model of any size.

    Raises:
        CodecError: package or model missing.
    """
    try:
        import ctranslate2
        from faster_whisper.feature_extractor import FeatureExtractor
    except ImportError as error:
        raise CodecError("Whisper in CTranslate2 form needs faster-whisper: pip install 'semcodec[asr]'") from error
    if not (Path(folder) / "model.bin").is_file():
        raise CodecError(f"{folder}: no CTranslate2 Whisper model (model.bin) here")
    try:
        # Clips come from several threads at once; each gets a worker of one thread.
        workers = {"inter_threads": torch.get_num_threads(), "intra_threads": 1}
        model = ctranslate2.models.Whisper(str(folder), device="auto", compute_type="int8", **workers)
    except (RuntimeError, ValueError) as error:
        raise CodecError(f"{folder}: not a CTranslate2 Whisper model ({first_line(error)})") from error
    mel = FeatureExtractor(feature_size=model.n_mels)

    def run(wave: np.ndarray) -> np.ndarray:
        wave = whole_hops(wave, HOP)
        frames = np.ascontiguousarray(mel(wave)[None, :, : 2 * len(wave) // HOP], dtype=np.float32)
        return np.array(model.encode(ctranslate2.StorageView.from_array(frames)))[0]

    dim = run(np.zeros(SAMPLE_RATE, np.float32)).shape[1]
    version = sha256_of(Path(folder) / "model.bin")[:16]
    name = f"whisper-ct2:{Path(folder).resolve().name}"  # Results do not tell where on a machine it lay.
    return ClipEmbedder(name, run, dim, HOP, window=WINDOW, shortest=HOP, version=version)
