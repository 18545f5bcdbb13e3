"""Blocks that tokens would tell too quietly are told louder.

Codewords are found by the distance of logarithmic spectra, in which a few lines above a deep floor are a small part: what
tokens cannot tell of them is told as their mean, 10 dB too quiet and more. The decoder has learned to give back what voices
lose so, and no more. What a block loses is known as soon as its codewords are: where it is much, codewords are looked for
again, near a block that is louder by as much.

Steady sounds are no voices, and the decoder gives nothing of them back: they are told louder by all that is lost.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from codec.networks.loudness import metric
from codec.networks.transform import BlockTransform
from quantizers.residual import ResidualKMeansQuantizer
from quantizers.weighted import Metric

LOST_BY_ALL_DB, LOST_BY_FIRST_DB, LOST_BY_ONLY_DB = 6.0, 9.0, 14.0
"""What voices hardly ever lose by all tokens of a block, by the first of several, and by the only one of a longer block."""
GIVEN_BACK_DB, MISSING_SHARE = 3.0, 0.85
"""Of what is lost the decoder gives this much back, and this share of the rest is missing in the end."""
STEEPNESS, HIGHEST_DB = 2.0, 12.0
"""Gain by loss above what voices lose, so that no gain jumps; and the most that a block is raised by."""

STEADY_FRAMES, STEADY_BANDS = 20, 10
"""Frames of 10 ms to either side over which a sound must be steady, and bands in which it must."""
STEADY_REACH = 4 * STEADY_FRAMES
"""Frames to either side that it depends on: those of stretches that begin or end with the block, and what is loud near them."""
STEADY_DB, UNSTEADY_DB = 1.5, 2.2
"""Standard deviation of bands' levels of what is steady, as noise and vibrato are, and of what is not. Over so long a time
voices have 3 dB and more."""
STEADY_DEPTH_DB = 25.0
"""Below the loudest frame nearby, what is not looked at: silence between words is steady."""
LEVELLED_DB = 100.0
"""Depth of a band below the loudest of its block, at which it is raised no more: lines are to rise out of what lies between."""


def steadiness(features: Tensor, frames: int) -> Tensor:
    """How steady blocks are, 0 … 1: where all of a block lies within a stretch of 0.4 s that sounds the same throughout.

    Args:
        features: ``(B, N · frames, n_mels + 1)``.
        frames: in a block.

    Returns:
        ``(B, N)``.

    Example:
        >>> steadiness(torch.zeros(1, 8, 81), 4)
        tensor([[1., 1.]])
    """
    power = 10 ** (2 * features[..., :-1])
    power = F.pad(power, (0, -power.shape[-1] % STEADY_BANDS)).unflatten(-1, (STEADY_BANDS, -1)).sum(-1)
    total, around = power.sum(-1), 2 * STEADY_FRAMES + 1
    floor = 10 ** (-STEADY_DEPTH_DB / 10) * F.max_pool1d(total[:, None], 2 * around - 1, 1, around - 1)[:, 0]
    levels = 10 * torch.log10((power + floor[..., None]).clamp_min(1e-12)).transpose(1, 2)
    mean, square = (F.avg_pool1d(part, around, 1, STEADY_FRAMES, count_include_pad=False) for part in (levels, levels.square()))
    deviation = (square - mean.square()).clamp_min(0).mean(1).sqrt()
    least = -F.max_pool1d(-deviation[:, None], around, 1, STEADY_FRAMES)[:, 0]
    steady = ((UNSTEADY_DB - least) / (UNSTEADY_DB - STEADY_DB)).clamp(0, 1) * (total > floor)
    return steady.unflatten(1, (-1, frames)).amin(-1)


def level(features: Tensor, frames: int) -> Tensor:
    """Blocks' level in dB, of an arbitrary zero.

    Args:
        features: ``(B, N · frames, n_mels + 1)``, as `codec.networks.transform.block_features` gives them.
        frames: in a block.

    Returns:
        ``(B, N)``.

    Example:
        >>> level(torch.tensor([[[0.0, 0.0, 1.0], [0.5, 0.5, 1.0]]]), 1).round(decimals=2)
        tensor([[ 3.0100, 13.0100]])
    """
    power = (10 ** (2 * features[..., :-1])).sum(-1).unflatten(1, (-1, frames)).mean(-1)
    return 10 * power.clamp_min(1e-12).log10()


def block_codes(
    transform: BlockTransform,
    quantizer: ResidualKMeansQuantizer,
    features: Tensor,
    predicted: Tensor,
    first_only: bool = False,
) -> Tensor:
    """Blocks → codes ``(B, G, N)`` of codewords that are near to them, or to louder ones where too much level would be lost.

    Args:
        transform: of blocks.
        quantizer: of their coefficients.
        features: ``(B, N · frames, n_mels + 1)`` of blocks.
        predicted: ``(B, N, frames · (n_mels + 1))`` what semantic tokens tell of them.
        first_only: of each block the first codeword alone is asked for.
    """
    left = rearrange(features, "b (n k) w -> b n (k w)", k=transform.frames) - predicted
    wanted = transform.analysis(left)
    single = first_only or len(quantizer.codebooks) == 1  # which is the nearest by any metric
    weighed = None if single else metric(transform, features, left)
    codes = quantizer.encode(wanted, metric=weighed, first_only=first_only)
    every, first = aims(transform, quantizer.decode(codes), features, predicted, wanted)
    louder = (every != wanted).any(-1) | (first != wanted).any(-1)
    if louder.any():  # most blocks of a voice are not looked at again
        codes = codes.transpose(1, 2).clone()
        moved = weighed and Metric(*(part[None] for part in weighed.at(louder).moved((every - wanted)[louder])))
        codes[louder] = quantizer.encode(every[louder][None], first[louder][None], moved, first_only)[0].T
        codes = codes.transpose(1, 2)
    return codes


def aims(
    transform: BlockTransform, codewords: Tensor, features: Tensor, predicted: Tensor, wanted: Tensor
) -> tuple[Tensor, Tensor]:
    """What codewords are to come near to.

    Args:
        transform: of blocks.
        codewords: ``(B, N, G · n_coefficients)`` side by side, those that are nearest, whatever is lost.
        features: ``(B, N · frames, n_mels + 1)`` of blocks.
        predicted: ``(B, N, frames · (n_mels + 1))`` what semantic tokens tell of them.
        wanted: ``(B, N, n_coefficients)`` of the blocks.

    Returns:
        Coefficients ``(B, N, n_coefficients)`` for all codewords together, and for the first one alone.
    """
    told = codewords.unflatten(-1, (-1, wanted.shape[-1]))
    steady = steadiness(features, transform.frames)
    bands = 20 * features[..., :-1].unflatten(1, (-1, transform.frames))
    depth = (bands.amax((2, 3), keepdim=True) - bands) / LEVELLED_DB
    louder = F.pad(1 - steady[..., None, None] * depth.clamp(max=1), (0, 1))  # but for the voicing
    direction = transform.analysis(louder.flatten(2)) / 20
    true = level(features, transform.frames)

    def raised(coefficients: Tensor, usual_db: float) -> Tensor:
        lost = true - level(transform.synthesise(coefficients, predicted), transform.frames)
        gain = torch.minimum(STEEPNESS * (lost - usual_db), MISSING_SHARE * (lost - GIVEN_BACK_DB))
        gain = torch.lerp(gain.clamp(0, HIGHEST_DB), lost.clamp(0, HIGHEST_DB), steady)
        return wanted + gain[..., None] * direction

    if told.shape[2] == 1:
        only = raised(told[:, :, 0], LOST_BY_ONLY_DB)
        return only, only
    return raised(told.sum(2), LOST_BY_ALL_DB), raised(told[:, :, 0], LOST_BY_FIRST_DB)
