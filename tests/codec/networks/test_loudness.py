"""Errors of loud bands weigh more, in any block alike, and coefficients cost what weighed errors of their blocks are."""

from __future__ import annotations

import torch

from codec.networks.loudness import metric, weights
from codec.networks.transform import BlockTransform

FRAMES, N_MELS, DIM = 4, 6, 5


def test_weights_do_not_depend_on_the_level_and_rise_with_that_of_a_band() -> None:
    torch.manual_seed(0)
    features = torch.randn(2, 3 * FRAMES, N_MELS + 1)
    found = weights(features, FRAMES)
    assert found.shape == (2, 3, FRAMES * (N_MELS + 1))
    quieter = features.clone()
    quieter[..., :-1] -= 2.0
    torch.testing.assert_close(weights(quieter, FRAMES), found)
    bands = features.unflatten(1, (3, FRAMES))[..., :-1].flatten(2)
    shaped = found.unflatten(2, (FRAMES, N_MELS + 1))
    assert torch.equal(bands.argsort(), shaped[..., :-1].flatten(2).argsort())
    assert torch.equal(found.amax(2), torch.ones(2, 3))
    torch.testing.assert_close(shaped[..., -1], shaped[..., :-1].mean(3))


def test_coefficients_cost_weighed_errors() -> None:
    torch.manual_seed(1)
    transform = BlockTransform(FRAMES, N_MELS + 1, 2, DIM).requires_grad_(False)
    features, left = torch.randn(1, 2 * FRAMES, N_MELS + 1), torch.randn(1, 2, FRAMES * (N_MELS + 1))
    found, weight = metric(transform, features, left), weights(features, FRAMES)
    for _ in range(3):
        coefficients = torch.randn(1, 2, DIM)
        error = (weight * (left - transform.synthesis(coefficients)).square()).sum(-1) - (weight * left.square()).sum(-1)
        cost = (coefficients[..., None, :] @ found.products @ coefficients[..., None])[..., 0, 0]
        torch.testing.assert_close(cost - 2 * (found.slopes * coefficients).sum(-1), error, rtol=1e-3, atol=1e-3)
