"""How the acoustic codebooks are used while a model is validated."""

from __future__ import annotations

import math
from collections import defaultdict
from types import TracebackType

import torch
from torch import Tensor, nn

from quantizers.result import Quantized
from quantizers.usage import entropy_of


class CodesGiven:
    """Remembers what a quantiser gives inside of a ``with`` block, by a hook: who does not ask pays nothing.

    Args:
        quantizer: gives `Quantized` with codes ``(B, G, N)``.
        sizes: of its G codebooks.
    """

    def __init__(self, quantizer: nn.Module, sizes: tuple[int, ...]) -> None:
        self._quantizer, self._sizes = quantizer, sizes
        self._seen: dict[int, list[Tensor]] = defaultdict(list)
        self.rate = 0
        """Of tokens, under which codes are counted."""

    def __enter__(self) -> CodesGiven:
        def keep(_module: nn.Module, _inputs: object, found: Quantized) -> None:
            self._seen[self.rate].append(found.codes.detach().transpose(0, 1).flatten(1).cpu())

        self._hook = self._quantizer.register_forward_hook(keep)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._hook.remove()

    def figures(self) -> dict[str, float]:
        """By rate and codebook: the share of codes that occurred, and the entropy, of the most that so many tokens can have."""
        figures: dict[str, float] = {}
        for rate, seen in self._seen.items():
            for number, (codes, size) in enumerate(zip(torch.cat(seen, 1), self._sizes, strict=True), 1):
                counts = torch.bincount(codes, minlength=size)
                most = min(size, codes.numel())
                figures[f"codes/used/acoustic_{number}/{rate}"] = (counts > 0).sum().item() / most
                figures[f"codes/entropy/acoustic_{number}/{rate}"] = entropy_of(counts) / max(math.log2(most), 1e-9)
        return figures
