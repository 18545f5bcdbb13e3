"""The decoder's first half: tokens → what to say, frame by frame of 10 ms, in numbers that can be looked at.

The envelope and the pitch of a frame are named, each taught by a loss of its own; what they leave out goes through ``hidden``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from einops import rearrange
from torch import Tensor, nn

from codec.config import TokenDecoderConfig
from codec.networks.convnext import ConvNeXt
from codec.networks.frontend import MEL_CENTRE
from codec.networks.pitch import Pitch, hertz, pitch_track
from codec.networks.transform import VOICING_SCALE, BlockTransform

VOICING_SLOPE = 4.0
"""Logits per unit of predicted voicing."""
OCTAVE_SLOPE = 0.25
"""Octaves that the network moves the pitch by, for each unit that it says."""
FRAMES_PER_TOKEN_FRAME = 2
"""Frames of 100 Hz in one of 50 Hz."""


class Frames(NamedTuple):
    """What tokens say about frames at 100 Hz.

    Attributes:
        mel: ``(B, T, n_mels)`` log10 magnitudes.
        octave: ``(B, T)`` of the pitch above the lowest one.
        voicing: ``(B, T)`` logits.
        hidden: ``(B, T, D)``.
    """

    mel: Tensor
    octave: Tensor
    voicing: Tensor
    hidden: Tensor

    @property
    def pitch(self) -> Pitch:
        """The pitch in Hz; the gradient of the loss on sound does not reach it."""
        return Pitch(hertz(self.octave.detach()), (self.voicing.detach() > 0).float())


class TokenDecoder(nn.Module):
    """Semantic and acoustic codewords → `Frames`.

    Args:
        config: sizes.
        n_mels: bands of the envelope.
        semantic_dims: by frames of 50 Hz per token, width of semantic codewords.
        n_acoustic: by frames of 50 Hz per token, acoustic tokens beside a semantic one.
        n_coefficients: width of what each acoustic token says; the first one tells the pitch, too.
        pitch_levels: that it tells; the last one is no pitch, but says that tones follow.
    """

    def __init__(
        self,
        config: TokenDecoderConfig,
        n_mels: int,
        semantic_dims: Mapping[int, int],
        n_acoustic: Mapping[int, int],
        n_coefficients: int,
        pitch_levels: int,
    ) -> None:
        super().__init__()
        self.pitch_levels = pitch_levels
        self.n_mels, self.n_coefficients = n_mels, n_coefficients
        self.semantic = nn.ModuleDict({str(n): nn.Linear(dim, n * config.dim) for n, dim in semantic_dims.items()})
        self.acoustic = nn.ModuleDict(
            {
                str(n): nn.ModuleList(_into(n_coefficients + (not index), config.dim, n * config.dim) for index in range(count))
                for n, count in n_acoustic.items()
            }
        )
        self.absent = nn.ParameterDict({str(n): torch.zeros(count, n * config.dim) for n, count in n_acoustic.items()})
        self.backbone = ConvNeXt(config.dim, config.hidden_dim, config.dilations)
        self.refine = nn.Linear(config.dim, 2 * config.fine_dim)
        self.fine = ConvNeXt(config.fine_dim, config.fine_hidden_dim, config.fine_dilations)
        self.block = nn.Linear(config.fine_dim, n_mels + 2)
        nn.init.zeros_(self.block.weight)  # the transform alone, before training
        nn.init.zeros_(self.block.bias)

    def receptive_field(self, frames_per_token: int) -> int:
        """Frames of 50 Hz to either side; two tokens at least, since one asks the next for what that one knows of a tone."""
        return max(self.backbone.receptive_field + -(-self.fine.receptive_field // 2), 2 * frames_per_token)

    def forward(
        self, semantic: Tensor, acoustic: Tensor, n_acoustic: Tensor, frames_per_token: int, transform: BlockTransform
    ) -> Frames:
        """Decodes.

        Args:
            semantic: ``(B, N, D)`` codewords.
            acoustic: ``(B, N, 1 + G · n_coefficients)``: the pitch, then what each token says of the coefficients.
            n_acoustic: ``(B,)`` acoustic tokens that are there; what the others hold is not looked at.
            frames_per_token: frames of 50 Hz in a token.
            transform: of blocks of that length.

        Returns:
            ``T = 2 · N · frames_per_token`` frames at 100 Hz.
        """
        name, there = str(frames_per_token), []
        told, parts = acoustic[..., :1], acoustic[..., 1:].split(self.n_coefficients, -1)
        x = self.semantic[name](semantic)
        networks, absent = self.acoustic[name], self.absent[name]
        assert isinstance(networks, nn.ModuleList)
        for number, (network, part) in enumerate(zip(networks, parts, strict=True)):
            sent = (n_acoustic > number)[:, None, None]
            heard = network(part if number else torch.cat([told, part], -1))
            x = x + torch.where(sent, heard, absent[number].to(x.dtype))
            there.append(torch.where(sent, part, 0.0))
        x = self.backbone(rearrange(x, "b n (k d) -> b (n k) d", k=frames_per_token))
        x = self.fine(rearrange(self.refine(x), "b t (two d) -> b (t two) d", two=2))
        coefficients, learnt = torch.stack(there).sum(0), self.block(x).float()
        block = transform.synthesise(coefficients, transform.predicted(semantic)) + learnt[..., :-1]
        index = index_of(told[..., 0], self.pitch_levels) * (n_acoustic > 0)[:, None]
        track = pitch_track(index, FRAMES_PER_TOKEN_FRAME * frames_per_token, self.pitch_levels - 1)
        return Frames(
            mel=block[..., : self.n_mels] - MEL_CENTRE,
            octave=track + OCTAVE_SLOPE * learnt[..., -1],
            voicing=VOICING_SLOPE * (block[..., self.n_mels] - VOICING_SCALE / 2),
            hidden=x,
        )


def value_of(index: Tensor, levels: int) -> Tensor:
    """A pitch's index → the number in ±1 that stands for it among acoustic values."""
    return index.float() * (2 / levels) - 1


def index_of(value: Tensor, levels: int) -> Tensor:
    """What `value_of` was given."""
    return ((value + 1) * (levels / 2)).round().long()


def _into(width: int, hidden_dim: int, out: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, hidden_dim), nn.GELU(), nn.Linear(hidden_dim, out))
