"""Several acoustic tokens of one frame, each a finite scalar quantiser of dimensions of its own (arXiv 2309.15505)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from quantizers.acoustic import AcousticQuantizer
from quantizers.result import Quantized


class GroupedQuantizer(nn.Module):
    """Groups of dimensions, most important first; a lower bitrate leaves the last ones out.

    Args:
        levels: of each group's dimensions; a group's product is its codebook size.

    Example:
        >>> quantizer = GroupedQuantizer([(16, 8), (4, 4)])
        >>> quantizer(torch.zeros(1, 3, 4)).codes.shape
        torch.Size([1, 2, 3])
    """

    def __init__(self, levels: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.groups = nn.ModuleList(AcousticQuantizer(group) for group in levels)
        self.dims = [len(group) for group in levels]

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        """Of the groups."""
        return tuple(group.codebook_size for group in self._groups)

    @property
    def _groups(self) -> list[AcousticQuantizer]:
        return list(self.groups)  # type: ignore[arg-type]  # a module list knows no more than that they are modules

    def forward(self, latents: Tensor) -> Quantized:
        """``(B, N, D)`` unbounded → values ``(B, N, D)`` in ±1 and codes ``(B, G, N)``."""
        parts = [group(part) for group, part in zip(self._groups, torch.split(latents, self.dims, -1), strict=True)]
        return Quantized(torch.cat([part.values for part in parts], -1), torch.stack([part.codes for part in parts], 1))

    def bound(self, latents: Tensor) -> Tensor:
        """``(B, N, D)`` unbounded → values as `decode` gives them, but not rounded to levels."""
        parts = zip(self._groups, torch.split(latents, self.dims, -1), strict=True)
        return torch.cat([group.bound(part) for group, part in parts], -1)

    def decode(self, codes: Tensor) -> Tensor:
        """``(B, G', N)`` codes of the first groups → values ``(B, N, D)``, 0 in the groups that are not there."""
        values = [group.decode(codes[:, index]) for index, group in enumerate(self._groups[: codes.shape[1]])]
        missing = sum(self.dims[codes.shape[1] :])
        absent = torch.zeros(codes.shape[0], codes.shape[2], missing, device=codes.device)
        return torch.cat([*values, absent], -1)
