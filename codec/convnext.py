"""The one building block of every network here: ConvNeXt over time, with exact edges.

A block multiplies its input by the mask of real frames before it looks at neighbours, so zero padding inside a
batch, at a window's border or at the end of a file all look alike. That is what makes window = whole = batch.
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
        self.reach = dilation * (kernel_size // 2)
        self.depthwise = nn.Conv1d(dim, dim, kernel_size, groups=dim, dilation=dilation, padding=self.reach)
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.expand = nn.Linear(dim, hidden_dim)
        self.project = nn.Linear(hidden_dim, dim)
        self.scale = nn.Parameter(torch.full((dim,), layer_scale))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """``(B, T, D)``, mask ``(B, T, 1)`` of real frames → ``(B, T, D)``."""
        y = x if mask is None else x * mask
        # (B, T, D) is already the channels-last layout of a (B, D, 1, T) image: the fast depthwise kernel, no copy.
        y = F.conv2d(
            y.unsqueeze(1).permute(0, 3, 1, 2),
            self.depthwise.weight.unsqueeze(2),
            self.depthwise.bias,
            padding=(0, self.reach),
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

    Example:
        >>> ConvNeXt(8, 16, dilations=(1, 2)).reach
        9
    """

    def __init__(self, dim: int, hidden_dim: int, dilations: Sequence[int], kernel_size: int = 7) -> None:
        super().__init__()
        self.norm_in = nn.LayerNorm(dim, eps=1e-6)
        self.blocks = nn.ModuleList(
            ConvNeXtBlock(dim, hidden_dim, kernel_size, dilation, 1 / len(dilations)) for dilation in dilations
        )
        self.norm_out = nn.LayerNorm(dim, eps=1e-6)

    @property
    def reach(self) -> int:
        """Frames to either side that an output frame depends on."""
        return sum(block.reach for block in self.blocks)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """``(B, T, D)`` → ``(B, T, D)``."""
        x = self.norm_in(x)
        for block in self.blocks:
            x = block(x, mask)
        return self.norm_out(x)
