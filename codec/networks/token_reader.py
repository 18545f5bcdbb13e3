"""What semantic tokens mean where they stand: a network that reads them, for probes and search. It makes no sound."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from codec.config import ReaderConfig
from codec.networks.convnext import ConvNeXt

WINDOW = 4096
"""Frames that are read at a time, with as many around them as matter: five minutes and a half."""


class TokenReader(nn.Module):
    """Semantic codewords → vectors that know their neighbours, for every rate of a model.

    A codeword alone says which sound is heard. Whether it belongs to one word or another is told by the tokens around it,
    so the mean of codewords over a clip, which knows no order, says little about words; the mean of these vectors does.

    Args:
        config: sizes.
        dims: by frames of 50 Hz per token, width of the codewords.

    Buffers:
        shares: by rate, in the order of ``dims``, what codewords are multiplied by where they stand beside what was read.

    Raises:
        ValueError: the longest tokens do not hold whole ones of another rate.

    Example:
        >>> reader = TokenReader(ReaderConfig(dim=8, hidden_dim=16, dilations=(1,), n_features=4), {2: 6, 4: 6})
        >>> reader(torch.zeros(1, 5, 6), torch.ones(1, 5), 2).shape
        torch.Size([1, 3, 4])
        >>> reader.read(torch.zeros(1, 5, 6), torch.ones(1, 5), 2).shape
        torch.Size([1, 5, 10])
    """

    shares: Tensor

    def __init__(self, config: ReaderConfig, dims: Mapping[int, int]) -> None:
        super().__init__()
        self.config, self.frames_per_tokens = config, tuple(dims)
        self.longest = max(dims)
        if any(self.longest % n for n in dims):
            raise ValueError(f"tokens of {self.longest} frames do not hold whole ones of {', '.join(map(str, dims))}")
        self.stems = nn.ModuleDict({str(n): nn.Linear(self.longest // n * dim, config.dim) for n, dim in dims.items()})
        self.backbone = ConvNeXt(config.dim, config.hidden_dim, config.dilations)
        self.head = nn.Linear(config.dim, config.n_features)
        self.register_buffer("shares", torch.zeros(len(dims)))

    def forward(self, codewords: Tensor, there: Tensor, frames_per_token: int) -> Tensor:
        """Reads.

        Args:
            codewords: ``(B, N, D)``.
            there: ``(B, N)``, 1 where an item has not ended; the other codewords are not looked at.
            frames_per_token: frames of 50 Hz in a token.

        Returns:
            ``(B, T, n_features)``, a vector for every ``longest / frames_per_token`` tokens that are begun.
        """
        group = self.longest // frames_per_token
        short = -codewords.shape[1] % group
        known = codewords * there.to(codewords.dtype)[..., None]
        x = rearrange(F.pad(known, (0, 0, 0, short)), "b (t k) d -> b t (k d)", k=group)
        inside = begun(there.to(codewords.dtype), group)[..., None]
        x, reach = self.stems[str(frames_per_token)](x), self.backbone.receptive_field
        parts = [x.new_zeros(len(x), 0, self.config.n_features)]
        for start in range(0, x.shape[1], WINDOW):  # hours of tokens in little memory
            left = max(0, start - reach)
            window = slice(left, start + WINDOW + reach)
            read = self.backbone(x[:, window], inside[:, window])[:, start - left :][:, :WINDOW]
            parts.append(self.head(read))
        return torch.cat(parts, 1)

    def read(self, codewords: Tensor, there: Tensor, frames_per_token: int) -> Tensor:
        """What was read, and the codeword beside it, for every token: ``(B, N, n_features + D)``, zero behind an item's end.

        Arguments are those of `forward`.
        """
        features = self(codewords, there, frames_per_token)
        each = features.repeat_interleave(self.longest // frames_per_token, 1)[:, : codewords.shape[1]]
        beside = codewords * self.shares[self.frames_per_tokens.index(frames_per_token)]
        return torch.cat([each, beside], -1) * there.to(codewords.dtype)[..., None]


def begun(there: Tensor, group: int) -> Tensor:
    """``(B, N)``, 1 where there is a token → ``(B, T)``, 1 where there is any of ``group`` tokens.

    Example:
        >>> begun(torch.tensor([[1.0, 1.0, 1.0, 0.0, 0.0]]), 2).tolist()
        [[1.0, 1.0, 0.0]]
    """
    return F.pad(there, (0, -there.shape[1] % group)).unflatten(1, (-1, group)).amax(2)


def pooled(features: Tensor, there: Tensor) -> Tensor:
    """Means ``(B, D)`` of ``(B, T, D)`` over what is there, ``(B, T)``."""
    weights = there.to(features.dtype)[..., None]
    return (features * weights).sum(1) / weights.sum(1).clamp(min=1)
