"""The one building block of every network here: ConvNeXt over time.

A stack sees a known number of frames to either side (its receptive field) and zeros beyond the first and last frame, so a
long file can be cut into windows that overlap by it and give what a single pass would.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ConvNeXtBlock(nn.Module):
    """Depthwise convolution over time, layer norm, pointwise MLP, layer scale, residual (ConvNeXt, arXiv 2201.03545).

    Args:
        dim: width.
        hidden_dim: width of the MLP.
        kernel_size: odd length of the depthwise filter, in frames.
        dilation: spacing of its taps, in frames.
        layer_scale: initial scale of the residual branch.
    """

    def __init__(self, dim: int, hidden_dim: int, kernel_size: int, dilation: int, layer_scale: float) -> None:
        super().__init__()
        self.dilation = dilation
        self.receptive_field = dilation * (kernel_size // 2)
        self.depthwise = nn.Conv1d(dim, dim, kernel_size, groups=dim, dilation=dilation, padding=self.receptive_field)
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.expand = nn.Linear(dim, hidden_dim)
        self.project = nn.Linear(hidden_dim, dim)
        self.scale = nn.Parameter(torch.full((dim,), layer_scale))

    def forward(self, x: Tensor) -> Tensor:
        """``(B, T, D)`` → ``(B, T, D)``."""
        # (B, T, D) is already the channels-last layout of a (B, D, 1, T) image: the fast depthwise kernel, no copy.
        y = F.conv2d(
            x.unsqueeze(1).permute(0, 3, 1, 2),
            self.depthwise.weight.unsqueeze(2),
            self.depthwise.bias,
            padding=(0, self.receptive_field),
            dilation=(1, self.dilation),
            groups=self.depthwise.groups,
        )
        y = self.norm(y.permute(0, 2, 3, 1).squeeze(1))
        y = self.project(F.gelu(self.expand(y), approximate="tanh"))
        return x + self.scale * y


class ConvNeXt(nn.Module):
    """A stack of `ConvNeXtBlock`, one per dilation, between two layer norms.

    Args:
        dim: width.
        hidden_dim: width of the MLPs.
        dilations: one block each.
        kernel_size: of the depthwise filters, in frames.

    Attributes:
        receptive_field: frames to either side that an output frame depends on.

    Example:
        >>> ConvNeXt(8, 16, dilations=(1, 2)).receptive_field
        9
    """

    def __init__(self, dim: int, hidden_dim: int, dilations: Sequence[int], kernel_size: int = 7) -> None:
        super().__init__()
        self.norm_in = nn.LayerNorm(dim, eps=1e-6)
        blocks = [ConvNeXtBlock(dim, hidden_dim, kernel_size, dilation, 1 / len(dilations)) for dilation in dilations]
        self.receptive_field = sum(block.receptive_field for block in blocks)
        self.blocks = nn.ModuleList(blocks)
        self.norm_out = nn.LayerNorm(dim, eps=1e-6)

    def forward(self, x: Tensor, there: Tensor | None = None) -> Tensor:
        """``(B, T, D)`` → ``(B, T, D)``.

        Args:
            x: frames.
            there: ``(B, T, 1)``, 1 where an item has not ended: the others are as if the item were alone; None: all are there.
        """
        x = self.norm_in(x)
        if there is None:
            for block in self.blocks:
                x = block(x)
        else:
            x = x * there
            for block in self.blocks:
                x = block(x) * there
        return self.norm_out(x)
