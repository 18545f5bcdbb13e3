"""AudioMAE (arXiv 2207.06405), a ViT-B over spectrogram patches, and how SemantiCodec uses it: its last blocks averaged.

Parameter names are those of the published checkpoints, of SemantiCodec, AudioMAE itself and timm's port of it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from codec.semanticodec.config import BANDS, PATCH, SEGMENT_FRAMES

AVERAGED = 3
"""Last blocks whose normalised outputs are averaged."""


class Attention(nn.Module):
    """Self-attention with one matrix for queries, keys and values."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, N, dim)`` → the same."""
        q, k, v = rearrange(self.qkv(x), "b n (three h d) -> three b h n d", three=3, h=self.heads)
        return self.proj(rearrange(F.scaled_dot_product_attention(q, k, v), "b h n d -> b n (h d)"))


class FeedForward(nn.Module):
    """Two layers, four times as wide in between."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, 4 * dim)
        self.fc2 = nn.Linear(4 * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, N, dim)`` → the same."""
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    """Pre-norm transformer block."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = Attention(dim, heads)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = FeedForward(dim)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, N, dim)`` → the same."""
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class PatchEmbedding(nn.Module):
    """Spectrogram → patches, low bands first within each 0.16 s."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(1, dim, PATCH, PATCH)

    def forward(self, fbank: Tensor) -> Tensor:
        """``(B, frames, 128)`` → ``(B, frames / 2, dim)``."""
        return self.proj(fbank.unsqueeze(1)).flatten(2).transpose(1, 2)


class AudioMAE(nn.Module):
    """Filter-bank → patch features.

    Nothing is masked. A segment shorter than 10.24 s is to the transformer what a masked one was in its training: the
    patches that are there, each with its own position.

    Args:
        dim: width; 768 for ViT-B.
        depth: number of blocks.
        heads: of their attention.
        patches: that there are positions for; those of 10.24 s by default.
    """

    def __init__(self, dim: int, depth: int, heads: int, patches: int = SEGMENT_FRAMES // PATCH * BANDS) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + patches, dim))
        self.patch_embed = PatchEmbedding(dim)
        self.blocks = nn.ModuleList(Block(dim, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(dim, eps=1e-6)

    def forward(self, fbank: Tensor) -> Tensor:
        """``(B, frames, 128)`` normalised → ``(B, frames / 2, dim)``, time first, then frequency."""
        return torch.stack(self.outputs(fbank)[-AVERAGED:]).mean(0)

    def outputs(self, fbank: Tensor) -> list[Tensor]:
        """Normalised outputs of the last blocks, in the layout of `forward`, the very last one at the end."""
        patches = self.patch_embed(fbank)
        x = torch.cat([self.cls_token.expand(len(patches), -1, -1), patches], dim=1)
        x = x + self.pos_embed[:, : x.shape[1]]
        outputs = []
        for block in self.blocks:
            x = block(x)
            outputs.append(x)
        return [self.norm(output)[:, 1:] for output in outputs[-AVERAGED:]]


def stack_patches(features: Tensor, stack: int) -> Tensor:
    """Joins neighbouring patches: 2 are one above the other, 4 are two by two.

    Args:
        features: ``(B, patches, dim)``.
        stack: 1, 2 or 4.

    Returns:
        ``(B, patches / stack, stack · dim)``.
    """
    high, long = min(stack, 2), max(stack // 2, 1)
    return rearrange(features, "b (t l f h) d -> b (t f) (l h d)", l=long, h=high, f=BANDS // high)
