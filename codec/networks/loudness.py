"""What errors of a block's envelope weigh: those of loud bands more than those of quiet ones.

Residual codewords are found in logarithmic spectra, where an error of 6 dB between two formants counts as much as one on top of
them. Nobody hears it as much, since what is loud masks what is quiet beside it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from codec.networks.transform import BlockTransform
from quantizers.weighted import Metric

TENTH_DB = 60.0
"""Decibels below the loudest band of its block where an error of a band weighs a tenth of one there."""


def weights(features: Tensor, frames: int) -> Tensor:
    """What errors of blocks' numbers weigh, 1 in the loudest band.

    Args:
        features: ``(B, N · frames, n_mels + 1)``, as `codec.networks.transform.block_features` gives them.
        frames: in a block.

    Returns:
        ``(B, N, frames · (n_mels + 1))``; the voicing of a frame weighs as its bands do in the mean.

    Example:
        >>> weights(torch.tensor([[[0.0, -1.5, 1.0], [-3.0, -3.0, 1.0]]]), 2).round(decimals=3)
        tensor([[[1.0000, 0.3160, 0.6580, 0.1000, 0.1000, 0.1000]]])
    """
    bands = 20 * features[..., :-1].unflatten(1, (-1, frames))
    weight = 10 ** ((bands - bands.amax((2, 3), keepdim=True)) / TENTH_DB)
    return torch.cat([weight, weight.mean(3, keepdim=True)], 3).flatten(2)


def metric(transform: BlockTransform, features: Tensor, left: Tensor) -> Metric:
    """What coefficients cost as weighed errors of the blocks that they tell.

    Args:
        transform: of blocks.
        features: ``(B, N · frames, n_mels + 1)`` of blocks.
        left: ``(B, N, frames · (n_mels + 1))`` of the blocks, by what semantic tokens tell.
    """
    weight, vectors = weights(features, transform.frames), transform.synthesis.weight
    pairs = (vectors[:, :, None] * vectors[:, None]).flatten(1)
    return Metric((weight @ pairs).unflatten(-1, (vectors.shape[1], -1)), (weight * left) @ vectors)
