"""AudioMAE (Huang et al., 2022): a vision transformer over spectrogram patches of 160 ms × 16 bands, 128 bands in all.

Parameter names are those of the published checkpoint (and of timm's port of it), so its weights load as they are.
"""

from __future__ import annotations

import argparse
import pickle
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from codec.errors import CodecError
from codec.features import kaldi_fbank
from eval.semantics.embeddings.clips import ClipEmbedder, first_line

PATCH, N_MELS, HOP = 16, 128, 160
MEAN, STD = -4.2677393, 4.5689974
"""Of AudioSet's filterbanks; the model was trained on (x − mean) / (2 · std)."""
HEAD_DIM = 64


class Block(nn.Module):
    """Pre-norm transformer block of a vision transformer."""

    def __init__(self, dim: int, n_heads: int, hidden_dim: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.norm1, self.norm2 = nn.LayerNorm(dim, eps=1e-6), nn.LayerNorm(dim, eps=1e-6)
        self.attn = nn.ModuleDict({"qkv": nn.Linear(dim, 3 * dim), "proj": nn.Linear(dim, dim)})
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(dim, hidden_dim), "fc2": nn.Linear(hidden_dim, dim)})

    def forward(self, x: Tensor) -> Tensor:
        """``(B, N, D)`` → the same shape."""
        q, k, v = rearrange(self.attn["qkv"](self.norm1(x)), "b n (three h d) -> three b h n d", three=3, h=self.n_heads)
        attended = F.scaled_dot_product_attention(q, k, v)
        x = x + self.attn["proj"](rearrange(attended, "b h n d -> b n (h d)"))
        return x + self.mlp["fc2"](F.gelu(self.mlp["fc1"](self.norm2(x))))


class AudioMAE(nn.Module):
    """The encoder without its masks.

    Args:
        dim: width; 768 for ViT-B.
        depth: number of blocks.
        hidden_dim: of the blocks' networks.
        patches: that the position embedding covers; 512 = 64 in time × 8 in frequency.
    """

    def __init__(self, dim: int = 768, depth: int = 12, hidden_dim: int = 3072, patches: int = 512) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + patches, dim))
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(1, dim, PATCH, PATCH)})
        self.blocks = nn.ModuleList(Block(dim, max(1, dim // HEAD_DIM), hidden_dim) for _ in range(depth))
        self.norm = nn.LayerNorm(dim, eps=1e-6)

    def forward(self, fbank: Tensor) -> Tensor:
        """Encodes as many patches in time as there are, 64 at most.

        Args:
            fbank: ``(B, 16·T, 128)`` normalised log filterbanks.

        Returns:
            ``(B, T, 8, D)``: patches in time and in frequency.
        """
        x = rearrange(self.patch_embed["proj"](fbank.unsqueeze(1)), "b d t f -> b (t f) d")
        x = x + self.pos_embed[:, 1 : 1 + x.shape[1]]
        x = torch.cat([(self.cls_token + self.pos_embed[:, :1]).expand(len(x), -1, -1), x], dim=1)
        for block in self.blocks:
            x = block(x)
        return rearrange(self.norm(x)[:, 1:], "b (t f) d -> b t f d", f=N_MELS // PATCH)


def audiomae(source: str) -> ClipEmbedder:
    """AudioMAE from its published checkpoint: one vector every 160 ms, the mean over frequency.

    Args:
        source: the ``.pth`` file of its authors, or timm's ``.safetensors``.

    Raises:
        CodecError: missing, or not such a checkpoint.
    """
    state = _read(Path(source))
    try:
        dim, hidden_dim = state["norm.weight"].shape[0], state["blocks.0.mlp.fc1.weight"].shape[0]
        depth = 1 + max(int(key.split(".")[1]) for key in state if key.startswith("blocks."))
        model = AudioMAE(dim, depth, hidden_dim, state["pos_embed"].shape[1] - 1)
        model.load_state_dict({key: state[key] for key in model.state_dict()})
    except (KeyError, IndexError, ValueError, RuntimeError) as error:
        raise CodecError(f"{source}: not the weights of an AudioMAE encoder ({first_line(error)})") from error
    return audiomae_encoder(model, f"audiomae:{Path(source).stem}")


def audiomae_encoder(model: AudioMAE, name: str, trained: bool = True) -> ClipEmbedder:
    """The embedder of a model that is already built."""
    model = model.eval()
    window = (model.pos_embed.shape[1] - 1) // (N_MELS // PATCH) * PATCH
    hop = PATCH * HOP

    def run(wave: np.ndarray) -> np.ndarray:
        fbank = kaldi_fbank(torch.from_numpy(wave)[None])
        wanted = len(wave) // hop * PATCH
        # The last frames of a clip would reach beyond its end. Its authors fill up with zeros too, before they normalise.
        fbank = F.pad(fbank, (0, 0, 0, max(0, wanted - fbank.shape[1])))[:, :wanted]
        # Cut here and not in the wave, windows of as many patches as the model knows positions for lose no frame between them.
        parts = ((fbank - MEAN) / (2 * STD)).split(window, dim=1)
        return torch.cat([model(part).mean(dim=2)[0] for part in parts]).numpy()

    return ClipEmbedder(name, run, model.norm.weight.shape[0], hop, shortest=hop, trained=trained)


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
