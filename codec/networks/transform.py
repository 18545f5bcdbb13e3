"""What acoustic tokens tell, as a transform codec would.

A token covers a block of frames. What its semantic token and those beside it say about the block is predicted by a linear map;
of the rest, the Karhunen-Loève transform's first coefficients are sent. The decoder's networks learn what a linear map cannot.
From random weights they would find even the transform slowly; from here, the first step of training is intelligible.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from codec.networks.frontend import MEL_CENTRE, audible
from codec.networks.linear import least_squares, with_constant
from codec.networks.pitch import Pitch

VOICING_SCALE = 2.0
"""Of voicing beside log10 magnitudes, in a block that is transformed: an error weighs like 40 dB in every band."""


def block_features(mel: Tensor, pitch: Pitch) -> Tensor:
    """``(B, T, n_mels)`` and the pitch → ``(B, T, n_mels + 1)``: what a block is made of."""
    return torch.cat([audible(mel) + MEL_CENTRE, VOICING_SCALE * pitch.voiced[..., None]], -1)


def with_neighbours(semantic: Tensor) -> Tensor:
    """``(B, N, D)`` codewords → ``(B, N, 3 · D)``: each between the two beside it, zeros at both ends."""
    before, after = F.pad(semantic, (0, 0, 1, 0))[:, :-1], F.pad(semantic, (0, 0, 0, 1))[:, 1:]
    return torch.cat([before, semantic, after], -1)


class BlockTransform(nn.Module):
    """Blocks of frames ↔ coefficients.

    Args:
        frames: in a block, at 100 Hz.
        width: numbers that describe a frame.
        semantic_dim: width of semantic codewords.
        n_coefficients: that are sent.
    """

    def __init__(self, frames: int, width: int, semantic_dim: int, n_coefficients: int) -> None:
        super().__init__()
        self.frames = frames
        self.predict = nn.Linear(3 * semantic_dim, frames * width)
        self.analysis = nn.Linear(frames * width, n_coefficients, bias=False)
        self.synthesis = nn.Linear(n_coefficients, frames * width, bias=False)

    def predicted(self, semantic: Tensor) -> Tensor:
        """``(B, N, D)`` codewords → ``(B, N, frames · width)``: a block by its semantic token and the two beside it."""
        return self.predict(with_neighbours(semantic))

    def analyse(self, features: Tensor, predicted: Tensor) -> Tensor:
        """``(B, N · frames, width)`` and what was predicted → ``(B, N, n_coefficients)``; the first is mostly within ±1."""
        return self.analysis(rearrange(features, "b (n k) w -> b n (k w)", k=self.frames) - predicted)

    def synthesise(self, coefficients: Tensor, predicted: Tensor) -> Tensor:
        """``(B, N, n_coefficients)``, 0 where they were not sent, and what was predicted → ``(B, N · frames, width)``."""
        return rearrange(predicted + self.synthesis(coefficients), "b n (k w) -> b (n k) w", k=self.frames)

    @torch.no_grad()
    def fit(self, semantic: Tensor, features: Tensor, span: float = 2.5, ridge: float = 1.0) -> Tensor:
        """Least squares and principal components.

        Args:
            semantic: ``(B, N, D)`` codewords.
            features: ``(B, N · frames, width)``.
            span: standard deviations of the first coefficient that become 1; all are scaled alike, so that errors of all
                coefficients weigh alike.
            ridge: added to the diagonal of the codewords' covariance, over all blocks.

        Returns:
            ``(n_coefficients,)`` share of what was not predicted that each coefficient explains.
        """
        x = with_constant(with_neighbours(semantic).flatten(0, 1))
        y = rearrange(features, "b (n k) w -> (b n) (k w)", k=self.frames).double()
        weights = least_squares(x, y, ridge)
        rest = y - x @ weights
        variances, directions = torch.linalg.eigh(rest.T @ rest / len(rest))
        count = self.analysis.out_features
        variances, directions = variances.flip(0), directions.flip(1)[:, :count].T
        scale = span * variances[0].clamp_min(1e-12).sqrt()
        self.predict.weight.copy_(weights[:-1].T)
        self.predict.bias.copy_(weights[-1])
        self.analysis.weight.copy_(directions / scale)
        self.synthesis.weight.copy_((directions * scale).T)
        return (variances[:count] / variances.sum()).float()
