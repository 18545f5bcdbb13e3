"""Discriminators that learn beside a decoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from train.discriminator import DiscriminatorOutput, adversarial_loss, discriminator_loss, feature_loss
from train.parallel import average_gradients
from train.progress import autocast


class DiscriminatorTraining:
    """The discriminators and their optimiser.

    Args:
        discriminators: ``(B, samples)`` → discriminator outputs.
        optimizer: of their parameters.
        device: where they lie.
        precision: they run in.
    """

    def __init__(
        self, discriminators: nn.Module, optimizer: torch.optim.Optimizer, device: torch.device, precision: str
    ) -> None:
        self.discriminators, self.optimizer = discriminators, optimizer
        self._discriminate: Callable[[Tensor], Sequence[DiscriminatorOutput]] = discriminators
        self._device, self._precision = device, precision

    def learn(self, real: Tensor, fake: Tensor) -> Tensor:
        """One step of telling ``(B, samples)`` real from decoded ones; returns the loss before it."""
        with autocast(self._device, self._precision):
            loss = discriminator_loss(self._discriminate(real), self._discriminate(fake.detach())).float()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        average_gradients(self.discriminators.parameters())
        self.optimizer.step()
        return loss.detach()

    def losses(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """What the decoder pays: the adversarial and the feature loss."""
        self.discriminators.requires_grad_(False)
        with autocast(self._device, self._precision):
            with torch.no_grad():
                wanted = self._discriminate(real)
            given = self._discriminate(fake)
        self.discriminators.requires_grad_(True)
        return adversarial_loss(given).float(), feature_loss(wanted, given).float()
