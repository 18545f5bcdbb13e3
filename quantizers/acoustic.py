"""The acoustic token: finite scalar quantisation (arXiv 2309.15505), from vector-quantize-pytorch."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from vector_quantize_pytorch import FSQ

from quantizers.result import Quantized


class AcousticQuantizer(nn.Module):
    """Rounds each of a few bounded dimensions to its own number of levels; no codebook to collapse.

    Args:
        levels: per dimension; their product is the codebook size.

    Example:
        >>> AcousticQuantizer((8, 8, 8, 4, 4)).codebook_size
        8192
    """

    def __init__(self, levels: Sequence[int]) -> None:
        super().__init__()
        self.dim = len(levels)
        self.fsq = FSQ(list(levels))
        self.codebook_size = int(self.fsq.codebook_size)

    def forward(self, latents: Tensor) -> Quantized:
        """``(B, T, dim)`` unbounded → values in ±1 and codes."""
        values, codes = self.fsq(latents.float())
        return Quantized(values, codes.long())

    def decode(self, codes: Tensor) -> Tensor:
        """``(B, T)`` codes → ``(B, T, dim)`` values."""
        values: Tensor = self.fsq.indices_to_codes(codes)
        return values
