"""The acoustic encoder: what the semantic token leaves out, in one more token per frame."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from einops import rearrange
from torch import Tensor, nn

from codec.config import AcousticConfig
from codec.networks.convnext import ConvNeXt


class AcousticEncoder(nn.Module):
    """log-mel and semantic codewords → latents for the acoustic quantiser, at the token rate.

    Args:
        config: sizes.
        n_mels: bands of the log-mel.
        stacks: frames per token, for each rate.
        semantic_dims: width of semantic codewords, for each rate.
    """

    def __init__(self, config: AcousticConfig, n_mels: int, stacks: Sequence[int], semantic_dims: Sequence[int]) -> None:
        super().__init__()
        self.stacks = tuple(stacks)
        self.stem = nn.Linear(2 * n_mels, config.dim)
        self.semantic = nn.ModuleList(
            nn.Linear(dim, stack * config.dim) for stack, dim in zip(stacks, semantic_dims, strict=True)
        )
        self.rate = nn.Parameter(torch.zeros(len(self.stacks), config.dim))
        self.backbone = ConvNeXt(config.dim, config.hidden_dim, config.dilations)
        self.heads = nn.ModuleList(nn.Linear(stack * config.dim, len(config.levels)) for stack in stacks)

    @property
    def receptive_field(self) -> int:
        """Frames of context on either side, at 50 Hz."""
        return self.backbone.receptive_field

    def forward(self, mel: Tensor, semantic: Tensor, stack: int) -> Tensor:
        """Encodes.

        Args:
            mel: ``(B, 2·T, n_mels)`` log-mel.
            semantic: ``(B, T / stack, D)`` codewords.
            stack: frames per token.

        Returns:
            ``(B, T / stack, levels)``.
        """
        index = self.stacks.index(stack)
        x = self.stem(rearrange(mel, "b (t two) m -> b t (two m)", two=2) + 2.0)  # log10 magnitudes centre near −2
        x = x + rearrange(self.semantic[index](semantic), "b t (k d) -> b (t k) d", k=stack) + self.rate[index]
        latents: Tensor = self.heads[index](rearrange(self.backbone(x), "b (t k) d -> b t (k d)", k=stack))
        return latents
