"""Which acoustic codes recent batches used, and a loss that asks for the others."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from quantizers.acoustic import AcousticQuantizer
from quantizers.collective import reduce_sum
from quantizers.usage import entropy_of

DECAY = 0.99
"""Of the counts, from batch to batch of the same rate."""
FADED = 0.5
"""What is left of a code's count when it was last used 69 batches of its rate ago: no longer in use."""


class CodeUsage(nn.Module):
    """Fading counts of acoustic codes at each rate, over all processes.

    Args:
        quantizer: whose codes are counted.
        stacks: frames per token of each rate.

    Example:
        >>> usage = CodeUsage(AcousticQuantizer((4, 2)), stacks=(1, 2))
        >>> usage.add(torch.tensor([[0, 1, 2, 3, 4, 5, 6, 7]]), stack=1)
        >>> usage.report()["code_entropy"]
        3.0
    """

    counts: Tensor

    def __init__(self, quantizer: AcousticQuantizer, stacks: tuple[int, ...]) -> None:
        super().__init__()
        self.stacks, self.levels = stacks, [int(levels) for levels in quantizer.levels]
        self.register_buffer("counts", torch.zeros(len(stacks), quantizer.codebook_size))

    def add(self, codes: Tensor, stack: int) -> None:
        """Counts the codes of a batch; those of earlier ones of the same rate fade."""
        found = torch.bincount(codes.flatten(), minlength=self.counts.shape[1]).to(self.counts.dtype)
        reduce_sum(found)
        row = self.stacks.index(stack)
        self.counts[row] = DECAY * self.counts[row] + found

    def report(self) -> dict[str, float]:
        """Entropy in bits, its share of the most there could be, and the share of codes in use, all rates together."""
        counts = self.counts.sum(0).double()
        entropy = entropy_of(counts)
        used = (counts > FADED).double().mean().item()
        return {"code_entropy": entropy, "code_evenness": entropy / math.log2(len(counts)), "code_used": used}

    def unevenness(self, values: Tensor, stack: int) -> Tensor:
        """Bits by which codes fall short of being used evenly; its gradient leads from crowded codes to rare ones.

        Every value is shared out among the codes around it, by multilinear interpolation, each at the price that recent use
        puts on it. Of the entropy of ``K`` codes, this is the part that an average over one batch would be too coarse to see.

        Args:
            values: ``(B, N, D)`` as `AcousticQuantizer.bound` gives them.
            stack: frames per token.
        """
        counts = self.counts[self.stacks.index(stack)] + 1  # a code that was never used has a price, too
        bits = math.log2(len(counts)) + (counts / counts.sum()).log2()
        prices = bits.view(1, -1)
        for levels, value in zip(reversed(self.levels), reversed(values.flatten(0, 1).unbind(1)), strict=True):
            half = levels // 2
            places = torch.arange(levels, device=value.device)
            near = (1 - (value[:, None] * half + half - places).abs()).clamp_min(0)
            near = near / near.sum(1, keepdim=True)
            prices = (near.unsqueeze(2) * prices.view(len(prices), levels, -1)).sum(1)
        return prices.mean()
