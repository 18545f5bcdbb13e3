"""How codebooks are used."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from quantizers.usage import entropy_of


def usage(seen: Sequence[Tensor], sizes: Sequence[int], rate: int) -> dict[str, float]:
    """The share of codes that occurred, by acoustic codebook, and the entropy, of the most that so many tokens can have.

    Args:
        seen: codes ``(B, G, N)`` of batches.
        sizes: of the codebooks.
        rate: of tokens, for the names of the figures.

    Example:
        >>> usage([torch.tensor([[[0, 1, 1, 0]]])], [4], 50)
        {'codes/used/acoustic_1/50': 0.5, 'codes/entropy/acoustic_1/50': 0.5}
    """
    figures: dict[str, float] = {}
    codes = torch.cat([each.transpose(0, 1).flatten(1) for each in seen], 1)
    for number, (each, size) in enumerate(zip(codes, sizes, strict=True), 1):
        counts, most = torch.bincount(each, minlength=size), min(size, each.numel())
        figures[f"codes/used/acoustic_{number}/{rate}"] = (counts > 0).sum().item() / most
        figures[f"codes/entropy/acoustic_{number}/{rate}"] = entropy_of(counts) / max(math.log2(most), 1e-9)
    return figures
