"""The acoustic encoder: what the semantic token leaves out, in up to three more tokens a frame."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from einops import rearrange
from torch import Tensor, nn

from codec.config import TokenEncoderConfig
from codec.networks.convnext import ConvNeXt
from codec.networks.frontend import MASKED_FRAMES, MEL_CENTRE, AcousticFeatures, audible
from codec.networks.pitch import N_PITCH_FEATURES, Pitch, pitch_features
from codec.networks.transform import BlockTransform

VOICING_SCALE = 2.0
"""Of voicing beside log10 magnitudes, in a block that is transformed: an error weighs like 40 dB in every band."""


def block_features(mel: Tensor, pitch: Pitch) -> Tensor:
    """``(B, T, n_mels)`` and the pitch → ``(B, T, n_mels + 1)``: what a block is made of."""
    return torch.cat([audible(mel) + MEL_CENTRE, VOICING_SCALE * pitch.voiced[..., None]], -1)


class TokenEncoder(nn.Module):
    """Features at 100 Hz and semantic codewords → coefficients of blocks, at the token rate.

    Args:
        config: sizes.
        n_features: width of all features of a frame, without the pitch.
        semantic_dims: by frames of 50 Hz per token, width of semantic codewords.
    """

    def __init__(self, config: TokenEncoderConfig, n_features: int, semantic_dims: Mapping[int, int]) -> None:
        super().__init__()
        self.stem = nn.Linear(2 * (n_features + N_PITCH_FEATURES), config.dim)
        self.backbone = ConvNeXt(config.dim, config.hidden_dim, config.dilations)
        self.gather = nn.ModuleDict({str(n): nn.Linear(n * config.dim, config.dim) for n in semantic_dims})
        self.semantic = nn.ModuleDict({str(n): nn.Linear(dim, config.dim) for n, dim in semantic_dims.items()})
        self.tokens = ConvNeXt(config.dim, config.hidden_dim, config.token_dilations)
        self.heads = nn.ModuleDict({str(n): nn.Linear(config.dim, config.n_coefficients) for n in semantic_dims})
        for head in self.heads.values():  # the transform alone, before training
            assert isinstance(head, nn.Linear)
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)

    def receptive_field(self, frames_per_token: int) -> int:
        """Frames of 50 Hz to either side; the transform sees one token, and what is audible depends on neighbours."""
        whole_tokens = frames_per_token * max(1, self.tokens.receptive_field)
        return max(self.backbone.receptive_field, -(-MASKED_FRAMES // 2)) + whole_tokens

    def forward(
        self, features: AcousticFeatures, pitch: Pitch, semantic: Tensor, frames_per_token: int, transform: BlockTransform
    ) -> Tensor:
        """Encodes.

        Args:
            features: of ``T`` frames at 100 Hz.
            pitch: of the same frames.
            semantic: ``(B, N, D)`` codewords.
            frames_per_token: frames of 50 Hz in a token.
            transform: of blocks of that length.

        Returns:
            ``(B, N, n_coefficients)``.
        """
        name, pitched = str(frames_per_token), pitch_features(pitch)
        x = torch.cat([features.mel + MEL_CENTRE, features.correlogram, pitched], -1)
        x = self.backbone(self.stem(rearrange(x, "b (t two) d -> b t (two d)", two=2)))
        x = self.gather[name](rearrange(x, "b (n k) d -> b n (k d)", k=frames_per_token)) + self.semantic[name](semantic)
        linear = transform.analyse(block_features(features.mel, pitch), transform.predicted(semantic))
        return linear + self.heads[name](self.tokens(x)).float()
