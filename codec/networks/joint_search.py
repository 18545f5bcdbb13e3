"""Which semantic codeword a token tells: one that is near, and beside which the acoustic tokens tell most of the sound.

The nearest codeword is as near as can be to what the semantic encoder heard, but several others are nearly as near, and what
they predict of the block, and of the two blocks beside it, differs much. Two quantisers that are searched together, for the
sum of what both of them lose, tell more by the same bits than one after the other (joint codebook search, as between the
stages of a multi-stage quantiser). Every second token is chosen first, beside the nearest codewords of the others; then the
others are.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from codec.networks.transform import BlockTransform
from quantizers.nested import NestedKMeansQuantizer
from quantizers.precision import full_precision
from quantizers.residual import ResidualKMeansQuantizer

CANDIDATES = 32
"""Codewords that are compared."""
SEMANTIC_WEIGHT = 20.0
"""What a squared distance of semantic features counts, beside one of block features."""
REACH = 3
"""Tokens to either side that a choice depends on."""


def semantic_codes(
    codebook: NestedKMeansQuantizer,
    transform: BlockTransform,
    quantizer: ResidualKMeansQuantizer,
    heard: Tensor,
    features: Tensor,
    vocab: int,
) -> Tensor:
    """Chooses the semantic codes of a clip, whose beginning is an even token.

    Args:
        codebook: of semantic features.
        transform: that predicts blocks from its codewords.
        quantizer: of what is left; only its first codebook counts, so that streams of more tokens contain those of fewer.
        heard: ``(B, N, dim_in)`` semantic features of tokens.
        features: ``(B, N · frames, n_mels + 1)`` of blocks.
        vocab: semantic vocabulary.

    Returns:
        Codes ``(B, N)``.
    """
    codes, distances = codebook.candidates(heard, vocab, CANDIDATES)
    nearest = distances.argmin(-1, keepdim=True)
    with full_precision(heard.device):
        words = codebook.table(vocab)[codes].float()
        first = words.gather(2, nearest[..., None].expand(-1, -1, 1, words.shape[3]))
        choice = _Choice(transform, quantizer, first[:, :, 0], words - first, features.float())
        chosen, odd = nearest[..., 0], torch.arange(codes.shape[1], device=codes.device) % 2 == 1
        for here in (~odd, odd):
            cost = choice.cost(chosen) + SEMANTIC_WEIGHT * distances
            chosen = torch.where(here, cost.argmin(-1), chosen)
    return codes.gather(2, chosen[..., None])[..., 0]


class _Choice:
    """What candidates cost: errors of three blocks, multiplied out, so that no vectors wider than codewords are compared.

    Blocks outside the clip count as if there were nothing to tell of them.

    Args:
        transform: predicts blocks from a codeword and the two beside it.
        quantizer: its first codebook tells what is left.
        first: ``(B, N, D)`` the codewords that the search begins with.
        steps: ``(B, N, C, D)`` from these to the candidates.
        features: of the blocks.
    """

    def __init__(
        self, transform: BlockTransform, quantizer: ResidualKMeansQuantizer, first: Tensor, steps: Tensor, features: Tensor
    ) -> None:
        self.steps = steps
        # What a codeword says of the block after its own, of its own, and of the one before.
        self.maps = transform.predict.weight.float().split(first.shape[2], 1)
        blocks = rearrange(features, "b (n k) w -> b n (k w)", k=transform.frames) - transform.predict.bias
        after, own, before = (first @ part.T for part in self.maps)
        self.left = blocks - _later(after) - own - _earlier(before)
        self.told = transform.synthesis(quantizer.codebooks[0])
        self.half_norms = self.told.square().sum(1) / 2
        gram = sum(part.T @ part for part in self.maps)
        self.norms = ((steps @ gram) * steps).sum(-1)
        self.scores = steps @ (self.told @ self.maps[1]).T

    def cost(self, chosen: Tensor) -> Tensor:
        """``(B, N, C)`` errors with each candidate in its token's place, less those with the first codewords there.

        Args:
            chosen: ``(B, N)`` candidates that stand in the other tokens' places.
        """
        index = chosen[..., None, None].expand(-1, -1, 1, self.steps.shape[3])
        step = self.steps.gather(2, index)[:, :, 0]
        after, own, before = (step @ part.T for part in self.maps)
        left = self.left - _later(after) - own - _earlier(before)
        coded = left - self._nearest(left)
        # Errors of the three blocks with the first codeword in the token's place: its step is taken back.
        here, ahead, behind = left + own, _earlier(coded) + after, _later(coded) + before
        slopes = ahead @ self.maps[0] + here @ self.maps[1] + behind @ self.maps[2]
        gain = ((here @ self.told.T - self.half_norms)[:, :, None] - self.scores).amax(-1)
        return self.norms - 2 * (self.steps * slopes[:, :, None]).sum(-1) - 2 * gain

    def _nearest(self, left: Tensor) -> Tensor:
        """What the first acoustic codebook tells of blocks."""
        return self.told[(left @ self.told.T - self.half_norms).argmax(-1)]


def _later(x: Tensor) -> Tensor:
    """``(B, N, D)`` one token later, zeros at the beginning."""
    return F.pad(x, (0, 0, 1, 0))[:, :-1]


def _earlier(x: Tensor) -> Tensor:
    """``(B, N, D)`` one token earlier, zeros at the end."""
    return F.pad(x, (0, 0, 0, 1))[:, 1:]
