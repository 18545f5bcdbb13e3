"""How the acoustic codebooks are used while a model is validated."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from types import TracebackType

import torch
from torch import Tensor, nn

from quantizers.residual import ResidualKMeansQuantizer
from quantizers.result import Quantized
from quantizers.usage import entropy_of


class CodesGiven:
    """Remembers what quantisers give inside of a ``with`` block, by hooks: who does not ask pays nothing.

    Args:
        quantizers: give `Quantized` with codes ``(B, G, N)``.
    """

    def __init__(self, quantizers: Iterable[ResidualKMeansQuantizer]) -> None:
        self._quantizers = list(quantizers)
        self._sizes: dict[int, tuple[int, ...]] = {}
        self._seen: dict[int, list[Tensor]] = defaultdict(list)
        self.rate, self.sent = 0, 0
        """Of tokens, under which codes are counted, and how many of the acoustic ones that rate has."""

    def __enter__(self) -> CodesGiven:
        def keep(module: nn.Module, _inputs: object, found: Quantized) -> None:
            assert isinstance(module, ResidualKMeansQuantizer)
            self._sizes[self.rate] = module.codebook_sizes[: self.sent]
            self._seen[self.rate].append(found.codes[:, : self.sent].detach().transpose(0, 1).flatten(1).cpu())

        self._hooks = [quantizer.register_forward_hook(keep) for quantizer in self._quantizers]
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for hook in self._hooks:
            hook.remove()

    def figures(self) -> dict[str, float]:
        """The share of codes that occurred, by rate and codebook, and the entropy, of the most that so many tokens can have."""
        figures: dict[str, float] = {}
        for rate, seen in self._seen.items():
            for number, (codes, size) in enumerate(zip(torch.cat(seen, 1), self._sizes[rate], strict=True), 1):
                counts = torch.bincount(codes, minlength=size)
                most = min(size, codes.numel())
                figures[f"codes/used/acoustic_{number}/{rate}"] = (counts > 0).sum().item() / most
                figures[f"codes/entropy/acoustic_{number}/{rate}"] = entropy_of(counts) / max(math.log2(most), 1e-9)
        return figures
