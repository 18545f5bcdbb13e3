"""How the acoustic codebooks are used while a model is validated."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from quantizers.result import Quantized
from quantizers.usage import entropy_of


class CodesGiven:
    """Codes that quantisers give while they are watched, by a hook: who does not ask pays nothing."""

    def __init__(self) -> None:
        self._seen: dict[int, list[Tensor]] = defaultdict(list)
        self._sizes: dict[int, tuple[int, ...]] = {}

    @contextmanager
    def of(self, rate: int, quantizer: nn.Module, sizes: tuple[int, ...]) -> Iterator[None]:
        """Watches a quantiser.

        Args:
            rate: of tokens, under which its codes are counted.
            quantizer: gives `Quantized` with codes ``(B, G, N)``.
            sizes: of the codebooks that are counted, which are the first ones.
        """

        def keep(_module: nn.Module, _inputs: object, found: Quantized) -> None:
            self._seen[rate].append(found.codes[:, : len(sizes)].detach().transpose(0, 1).flatten(1).cpu())

        self._sizes[rate] = sizes
        hook = quantizer.register_forward_hook(keep)
        try:
            yield
        finally:
            hook.remove()

    def figures(self) -> dict[str, float]:
        """By rate and codebook: the share of codes that occurred, and the entropy, of the most that so many tokens can have."""
        figures: dict[str, float] = {}
        for rate, seen in self._seen.items():
            for number, (codes, size) in enumerate(zip(torch.cat(seen, 1), self._sizes[rate], strict=True), 1):
                counts = torch.bincount(codes, minlength=size)
                most = min(size, codes.numel())
                figures[f"codes/used/acoustic_{number}/{rate}"] = (counts > 0).sum().item() / most
                figures[f"codes/entropy/acoustic_{number}/{rate}"] = entropy_of(counts) / max(math.log2(most), 1e-9)
        return figures
