"""AudioMAE (Huang et al., 2022) as an embedder: a vision transformer over spectrogram patches of 160 ms × 16 bands."""

from __future__ import annotations

import argparse
import pickle
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from codec.errors import CodecError
from codec.semanticodec.audiomae import AudioMAE
from codec.semanticodec.config import BANDS, HOP_LENGTH, PATCH
from codec.semanticodec.frontend import filter_bank, normalise
from eval.semantics.embeddings.clips import ClipEmbedder, first_line

HEAD_DIM = 64


def audiomae(source: str) -> ClipEmbedder:
    """AudioMAE from its published checkpoint: one vector every 160 ms, the mean over frequency.

    Args:
        source: the ``.pth`` file of its authors, or timm's ``.safetensors``.

    Raises:
        CodecError: missing, or not such a checkpoint.
    """
    state = _read(Path(source))
    try:
        dim = state["norm.weight"].shape[0]
        depth = 1 + max(int(key.split(".")[1]) for key in state if key.startswith("blocks."))
        model = AudioMAE(dim, depth, max(1, dim // HEAD_DIM), state["pos_embed"].shape[1] - 1)
        model.load_state_dict({key: state[key] for key in model.state_dict()})
    except (KeyError, IndexError, ValueError, RuntimeError) as error:
        raise CodecError(f"{source}: not the weights of an AudioMAE encoder ({first_line(error)})") from error
    return audiomae_encoder(model, f"audiomae:{Path(source).stem}")


def audiomae_encoder(model: AudioMAE, name: str) -> ClipEmbedder:
    """The embedder of a model that is already built."""
    model = model.eval()
    window = (model.pos_embed.shape[1] - 1) // BANDS * PATCH
    hop = PATCH * HOP_LENGTH

    def run(wave: np.ndarray) -> np.ndarray:
        samples = torch.from_numpy(wave)
        fbank = filter_bank(samples - samples.mean())[None]
        wanted = len(wave) // hop * PATCH
        # The last frames of a clip would reach beyond its end. Its authors fill up with zeros too, before they normalise.
        fbank = F.pad(fbank, (0, 0, 0, max(0, wanted - fbank.shape[1])))[:, :wanted]
        # Cut here and not in the wave, windows of as many patches as the model knows positions for lose no frame between them.
        parts = normalise(fbank).split(window, dim=1)
        return torch.cat([model.outputs(part)[-1][0].unflatten(0, (-1, BANDS)).mean(dim=1) for part in parts]).numpy()

    return ClipEmbedder(name, run, model.norm.weight.shape[0], hop, shortest=hop)


def _read(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise CodecError(f"{path}: no such file; name the checkpoint of AudioMAE that its authors publish (pretrained.pth)")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        # Its authors saved their command line beside the weights.
        with torch.serialization.safe_globals([argparse.Namespace]):
            kept = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, SafetensorError, pickle.UnpicklingError) as error:
        raise CodecError(f"{path}: cannot be read as a checkpoint ({first_line(error)})") from error
    state = kept.get("model", kept) if isinstance(kept, dict) else {}
    return {key: value for key, value in state.items() if isinstance(value, Tensor)}
