"""Dasheng, masked autoencoders at scale (Dinkel et al., 2024), through its own package: one vector every 40 ms."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch

from codec.errors import CodecError
from eval.semantics.embeddings.clips import ClipEmbedder, first_line

SIZES = {"base": "dasheng_base", "0.6b": "dasheng_06B", "1.2b": "dasheng_12B"}


def dasheng(source: str) -> ClipEmbedder:
    """Dasheng of a published size, or from a checkpoint file of the package.

    Args:
        source: ``base``, ``0.6b``, ``1.2b``, or a file.

    Raises:
        CodecError: package or weights missing.
    """
    try:
        from dasheng.pretrained import pretrained
    except ImportError as error:
        raise CodecError("Dasheng needs its package: pip install 'semcodec[encoders]'") from error
    try:
        if source in SIZES:
            address = pretrained.PRETRAINED_CHECKPOINTS[SIZES[source]]
            kept = torch.hub.load_state_dict_from_url(address, map_location="cpu", weights_only=True)
        else:
            kept = torch.load(source, map_location="cpu", weights_only=True)
        model = pretrained.Dasheng(**kept["config"])
        model.load_state_dict(kept["model"])
    except OSError as error:
        sizes = ", ".join(SIZES)
        raise CodecError(f"dasheng:{source}: no such file, and not a size ({sizes}) that can be fetched ({error})") from error
    except (EOFError, RuntimeError, KeyError, TypeError, ValueError, pickle.UnpicklingError) as error:
        raise CodecError(f"{source}: not a Dasheng checkpoint ({first_line(error)})") from error
    return dasheng_encoder(model, f"dasheng:{source if source in SIZES else Path(source).stem}")


def dasheng_encoder(model: Any, name: str) -> ClipEmbedder:
    """The embedder of a model that is already built."""
    model = model.eval()
    mel_frames = model.patch_stride[1]
    hop = mel_frames * model.hop_size

    def run(wave: np.ndarray) -> np.ndarray:
        return model(torch.from_numpy(wave)[None])[0].numpy()

    # The spectrogram is centred and has one frame more than the wave has hops.
    shortest = max((mel_frames - 1) * model.hop_size, model.win_size // 2 + 1)
    return ClipEmbedder(name, run, model.embed_dim, hop, window=model.target_length * model.hop_size, shortest=shortest)
