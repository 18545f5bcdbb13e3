"""Balances losses by the gradients that they send into the output, so that weights mean shares (arXiv 2210.13438, §3.4)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from quantizers.collective import reduce_sum, world

DECAY = 0.99
"""Of the moving average of norms."""


class Balancer:
    """Rescales each loss's gradient to its share of a total norm of 1, using a moving average of norms.

    Args:
        weights: of each loss; only their ratios matter.
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        self.weights = dict(weights)
        self._norms: dict[str, float] = {}

    def total(self, losses: Mapping[str, Tensor], output: Tensor) -> Tensor:
        """The weighted sum of losses, whose gradient at ``output`` is the balanced one.

        Args:
            losses: scalars that depend on ``output``.
            output: of the model, ``(B, samples)``.

        Raises:
            KeyError: a loss without a weight.
        """
        total = sum(self.weights[name] for name in losses)
        balanced = torch.zeros_like(output)
        for name, loss in losses.items():
            (gradient,) = torch.autograd.grad(loss, output, retain_graph=True)
            square = gradient.norm().square()
            reduce_sum(square)
            norm = square.sqrt().item() / world()[1]  # of the whole batch, whose loss is the mean of the processes' losses
            self._norms[name] = DECAY * self._norms.get(name, norm) + (1 - DECAY) * norm
            if self._norms[name] != 0:  # what is no number must reach the gradients, where it is found
                balanced += gradient * (self.weights[name] / total / self._norms[name])
        value = torch.stack([self.weights[name] * loss.detach() for name, loss in losses.items()]).sum()
        sent = (output * balanced).sum()
        return value + sent - sent.detach()

    def state_dict(self) -> dict[str, float]:
        """The moving averages."""
        return dict(self._norms)

    def load_state_dict(self, state: Mapping[str, float]) -> None:
        """Restores the moving averages."""
        self._norms = dict(state)
