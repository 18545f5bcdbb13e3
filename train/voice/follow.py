"""A decoder goes on with new tokens: of these it reads what it read of the old ones, as far as a linear map can tell."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from codec.networks.linear import least_squares, with_constant
from codec.networks.source_filter_codec import SourceFilterNetworks
from train.crops import Batch


class Reading(NamedTuple):
    """What a decoder read of old tokens, of one rate.

    Attributes:
        semantic: ``(blocks, D)`` what its first layer made of semantic codewords.
        analysis: ``(n_coefficients, frames · width)`` of the old transform.
    """

    semantic: Tensor
    analysis: Tensor


@torch.no_grad()
def reading_of(before: SourceFilterNetworks, batches: list[Batch], frames_per_token: int) -> Reading:
    """What the decoder of these networks reads of batches."""
    reader, found = _reader(before, frames_per_token), []
    for batch in batches:
        features = before.semantic(before.mel(batch.wave))
        codewords = before.feats_to_semantic(features, frames_per_token, before.config.vocabs[-1]).values
        found.append(reader(codewords).flatten(0, 1).cpu())
    return Reading(torch.cat(found), before.transform(frames_per_token).analysis.weight.detach().clone())


@torch.no_grad()
def follow(networks: SourceFilterNetworks, codewords: Tensor, reading: Reading, frames_per_token: int) -> float:
    """Turns the decoder's first layers to new tokens of one rate, in place.

    Args:
        networks: with the new tokens' transform, and the old decoder.
        codewords: ``(blocks, D)`` new semantic ones of the blocks that were read.
        reading: of the old ones.
        frames_per_token: frames of 50 Hz in a token.

    Returns:
        Share of what was read of semantic codewords that the new ones do not tell.
    """
    device = networks.transform(frames_per_token).analysis.weight.device
    x, y = with_constant(codewords), reading.semantic.double()
    weights = least_squares(x, y)
    reader = _reader(networks, frames_per_token)
    reader.weight.copy_(weights[:-1].T)
    reader.bias.copy_(weights[-1])
    turn = reading.analysis.to(device) @ networks.transform(frames_per_token).synthesis.weight
    layers = networks.decoder.acoustic[str(frames_per_token)]
    assert isinstance(layers, nn.ModuleList)
    for layer in layers:
        assert isinstance(layer, nn.Sequential)
        first = layer[0]
        assert isinstance(first, nn.Linear)
        told = first.in_features - len(turn)  # the pitch comes before the coefficients, where it is told
        first.weight[:, told:] = first.weight[:, told:] @ turn
    return ((y - x @ weights).square().sum() / (y - y.mean(0)).square().sum()).item()


def _reader(networks: SourceFilterNetworks, frames_per_token: int) -> nn.Linear:
    found = networks.decoder.semantic[str(frames_per_token)]
    assert isinstance(found, nn.Linear)
    return found
