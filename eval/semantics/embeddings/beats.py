"""BEATs (Chen et al., 2023): a transformer with gated relative positions over 16 × 16 spectrogram patches.

Parameter names are those of the published checkpoints, so their weights load as they are.
"""

from __future__ import annotations

import math
import pickle
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from pydantic import BaseModel, ValidationError
from torch import Tensor, nn
from torchaudio.compliance.kaldi import fbank

from codec.errors import CodecError
from eval.semantics.embeddings.clips import SAMPLE_RATE, ClipEmbedder, first_line

N_MELS, HOP, FRAME, WINDOW_SECONDS = 128, 160, 400, 30
MEAN, STD = 15.41663, 6.55582
"""Of AudioSet's filterbanks of 16-bit samples; the model was trained on (x − mean) / (2 · std)."""


class BEATsConfig(BaseModel):
    """The sizes that a checkpoint's ``cfg`` names, and what they are where it does not."""

    input_patch_size: int = 16
    embed_dim: int = 512
    encoder_layers: int = 12
    encoder_embed_dim: int = 768
    encoder_ffn_embed_dim: int = 3072
    encoder_attention_heads: int = 12
    conv_pos: int = 128
    conv_pos_groups: int = 16
    num_buckets: int = 320
    max_distance: int = 800


class Attention(nn.Module):
    """Self-attention whose position bias is gated by the query."""

    def __init__(self, config: BEATsConfig) -> None:
        super().__init__()
        dim, self.n_heads = config.encoder_embed_dim, config.encoder_attention_heads
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(dim, dim) for _ in range(4))
        self.grep_linear = nn.Linear(dim // self.n_heads, 8)
        self.grep_a = nn.Parameter(torch.ones(1, self.n_heads, 1, 1))

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """``(B, N, D)`` and a bias ``(H, N, N)`` → ``(B, N, D)``."""
        q, k, v = (
            rearrange(proj(x), "b n (h d) -> b h n d", h=self.n_heads) for proj in (self.q_proj, self.k_proj, self.v_proj)
        )
        gates = rearrange(self.grep_linear(q), "b h n (two four) -> two b h n four", two=2).sum(-1, keepdim=True).sigmoid()
        gated = (gates[0] * (gates[1] * self.grep_a - 1.0) + 2.0) * bias
        return self.out_proj(rearrange(F.scaled_dot_product_attention(q, k, v, attn_mask=gated), "b h n d -> b n (h d)"))


class Layer(nn.Module):
    """Post-norm transformer layer with DeepNorm's scaled residuals."""

    def __init__(self, config: BEATsConfig) -> None:
        super().__init__()
        dim = config.encoder_embed_dim
        self.alpha = (2 * config.encoder_layers) ** 0.25
        self.self_attn = Attention(config)
        self.self_attn_layer_norm, self.final_layer_norm = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.fc1, self.fc2 = nn.Linear(dim, config.encoder_ffn_embed_dim), nn.Linear(config.encoder_ffn_embed_dim, dim)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """``(B, N, D)`` and a bias ``(H, N, N)`` → ``(B, N, D)``."""
        x = self.self_attn_layer_norm(self.alpha * x + self.self_attn(x, bias))
        return self.final_layer_norm(self.alpha * x + self.fc2(F.gelu(self.fc1(x))))


class Encoder(nn.Module):
    """Convolutional and relative positions, then the layers."""

    def __init__(self, config: BEATsConfig) -> None:
        super().__init__()
        self.config = config
        dim = config.encoder_embed_dim
        conv = nn.Conv1d(dim, dim, config.conv_pos, padding=config.conv_pos // 2, groups=config.conv_pos_groups)
        self.pos_conv = nn.ModuleList([nn.utils.parametrizations.weight_norm(conv, dim=2)])
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.encoder_layers))
        self.relative_attention_bias = nn.Embedding(config.num_buckets, config.encoder_attention_heads)
        self.layer_norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, N, D)`` → the same shape."""
        positions = F.gelu(self.pos_conv[0](x.transpose(1, 2))[..., : x.shape[1]]).transpose(1, 2)
        x = self.layer_norm(x + positions)
        bias = self.bias(x.shape[1])
        for layer in self.layers:
            x = layer(x, bias)
        return x

    def bias(self, length: int) -> Tensor:
        """``(H, N, N)``: learned for each bucket of relative positions, as in T5; far ones share logarithmic buckets."""
        half = self.config.num_buckets // 2
        exact = half // 2
        steps = torch.arange(length)
        relative = steps[None, :] - steps[:, None]
        distance = relative.abs()
        growth = (distance.clamp_min(1) / exact).log() / math.log(self.config.max_distance / exact)
        far = (exact + growth * (half - exact)).long().clamp_max(half - 1)
        buckets = half * (relative > 0) + torch.where(distance < exact, distance, far)
        return rearrange(self.relative_attention_bias(buckets), "q k h -> h q k")


class BEATs(nn.Module):
    """Patches → features.

    Args:
        config: sizes.
    """

    def __init__(self, config: BEATsConfig) -> None:
        super().__init__()
        patch, self.bands = config.input_patch_size, N_MELS // config.input_patch_size
        self.patch_embedding = nn.Conv2d(1, config.embed_dim, patch, patch, bias=False)
        self.layer_norm = nn.LayerNorm(config.embed_dim)
        self.post_extract_proj = nn.Linear(config.embed_dim, config.encoder_embed_dim)
        self.encoder = Encoder(config)

    def forward(self, spectrum: Tensor) -> Tensor:
        """Normalised filterbanks ``(B, 16·T, 128)`` → ``(B, T, 8, D)``: patches in time and in frequency."""
        patches = rearrange(self.patch_embedding(spectrum.unsqueeze(1)), "b d t f -> b (t f) d")
        x = self.encoder(self.post_extract_proj(self.layer_norm(patches)))
        return rearrange(x, "b (t f) d -> b t f d", f=self.bands)


def beats(source: str) -> ClipEmbedder:
    """BEATs from a published checkpoint: one vector every 160 ms, the mean over frequency.

    Args:
        source: its ``.pt`` file.

    Raises:
        CodecError: missing, or not such a checkpoint.
    """
    if not Path(source).is_file():
        raise CodecError(f"{source}: no such file; name a checkpoint of BEATs that its authors publish (BEATs_iter3.pt)")
    try:
        kept = torch.load(source, map_location="cpu", weights_only=True)
        config = BEATsConfig.model_validate(kept["cfg"])
        model = BEATs(config)
        model.load_state_dict(_renamed(kept["model"]))
    except (OSError, EOFError, KeyError, TypeError, RuntimeError, ValidationError, pickle.UnpicklingError) as error:
        raise CodecError(f"{source}: not a BEATs checkpoint ({first_line(error)})") from error
    return beats_encoder(model, f"beats:{Path(source).stem}")


def beats_encoder(model: BEATs, name: str) -> ClipEmbedder:
    """The embedder of a model that is already built."""
    model, config = model.eval(), model.encoder.config
    patch = config.input_patch_size

    def run(wave: np.ndarray) -> np.ndarray:
        spectrum = fbank(torch.from_numpy(wave)[None] * 2**15, num_mel_bins=N_MELS, sample_frequency=SAMPLE_RATE)
        whole = len(spectrum) // patch * patch
        # Cut here and not in the wave, windows lose no frame between them.
        parts = ((spectrum[None, :whole] - MEAN) / (2 * STD)).split(window, dim=1)
        return torch.cat([model(part).mean(dim=2)[0] for part in parts]).numpy()

    window = WINDOW_SECONDS * SAMPLE_RATE // HOP // patch * patch
    shortest = FRAME + (patch - 1) * HOP
    return ClipEmbedder(name, run, config.encoder_embed_dim, patch * HOP, shortest=shortest)


def _renamed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The published names where ours differ: every layer lists the one shared position table, and weight norm was renamed."""
    shared = "self_attn.relative_attention_bias.weight"
    names = {
        f"encoder.layers.0.{shared}": "encoder.relative_attention_bias.weight",
        "encoder.pos_conv.0.weight_g": "encoder.pos_conv.0.parametrizations.weight.original0",
        "encoder.pos_conv.0.weight_v": "encoder.pos_conv.0.parametrizations.weight.original1",
    }
    kept = {names.get(key, key): value for key, value in state.items()}
    return {key: value for key, value in kept.items() if not key.endswith(shared) and not key.startswith("predictor.")}
