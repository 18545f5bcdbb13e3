"""What tokens mean where they stand: a network that reads them, for probes and search. It makes no sound."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from codec.config import ReaderConfig
from codec.networks.convnext import ConvNeXt
from codec.networks.token_decoder import index_of

PITCH_SPREAD = 0.7
"""Standard deviation, in steps of the pitch that tokens tell, of the bump that stands for one: neighbours are alike."""
PITCH_SHARE = 0.5
"""Length of such a bump beside the reading of semantic tokens: notes are found and no words lost (docs/experiments.md)."""
READING = 2
"""Counts changes of what `TokenReader.read` puts side by side: vectors that were kept before one are made anew."""
WINDOW = 4096
"""Frames that are read at a time, with as many around them as matter: five minutes and a half."""


class Reading(nn.Module):
    """A network over vectors of tokens of any rate; it speaks at the rate of the longest ones.

    Args:
        config: sizes.
        dims: by frames of 50 Hz per token, width of the vectors.
    """

    def __init__(self, config: ReaderConfig, dims: Mapping[int, int]) -> None:
        super().__init__()
        self.longest = max(dims)
        self.stems = nn.ModuleDict({str(n): nn.Linear(self.longest // n * dim, config.dim) for n, dim in dims.items()})
        self.backbone = ConvNeXt(config.dim, config.hidden_dim, config.dilations)
        self.head = nn.Linear(config.dim, config.n_features)

    def forward(self, vectors: Tensor, there: Tensor, frames_per_token: int) -> Tensor:
        """``(B, N, D)``, of which ``(B, N)`` are there → ``(B, T, n_features)``, one for tokens that last as the longest."""
        group, known = self.longest // frames_per_token, there.to(vectors.dtype)[..., None]
        x = rearrange(padded(vectors * known, group), "b (t k) d -> b t (k d)", k=group)
        x, reach = self.stems[str(frames_per_token)](x), self.backbone.receptive_field
        inside, parts = begun(known[..., 0], group)[..., None], [x.new_zeros(len(x), 0, self.head.out_features)]
        for start in range(0, x.shape[1], WINDOW):  # hours of tokens in little memory
            left = max(0, start - reach)
            window = slice(left, start + WINDOW + reach)
            read = self.backbone(x[:, window], inside[:, window])[:, start - left :][:, :WINDOW]
            parts.append(self.head(read))
        return torch.cat(parts, 1)


class TokenReader(nn.Module):
    """Codewords → vectors that know their neighbours, for every rate of a model.

    A codeword alone says which sound is heard. Whether it belongs to one word or another is told by the tokens around it,
    so the mean of codewords over a clip, which knows no order, says little about words; the mean of these vectors does.
    One network reads semantic tokens, which know little of the speaker; another reads acoustic ones beside them, which know
    of instruments and vowels. What both say stands side by side, and the pitch that the acoustic tokens tell, since neither
    network was taught to keep it.

    Args:
        config: sizes of either network.
        dims: by frames of 50 Hz per token, width of the semantic codewords.
        acoustic_dim: width of what acoustic tokens say; the first number is the pitch, see `told_pitch`.
        pitch_levels: that it tells.

    Buffers:
        shares: by rate, in the order of ``dims``, what the second reading and codewords are multiplied by in `read`; until
            training sets them, readings count alike and codewords not at all.

    Raises:
        ValueError: the longest tokens do not hold whole ones of another rate.

    Example:
        >>> reader = TokenReader(ReaderConfig(dim=8, hidden_dim=16, dilations=(1,), n_features=4), {2: 6, 4: 6}, 3, 16)
        >>> reader(torch.zeros(1, 5, 6), torch.ones(1, 5), 2).shape
        torch.Size([1, 3, 4])
        >>> reader.read(torch.zeros(1, 5, 6), torch.ones(1, 5), 2, torch.zeros(1, 5, 3)).shape
        torch.Size([1, 5, 29])
    """

    shares: Tensor

    def __init__(self, config: ReaderConfig, dims: Mapping[int, int], acoustic_dim: int, pitch_levels: int) -> None:
        super().__init__()
        self.pitch_levels = pitch_levels
        self.config, self.frames_per_tokens, self.longest = config, tuple(dims), max(dims)
        if any(self.longest % n for n in dims):
            raise ValueError(f"tokens of {self.longest} frames do not hold whole ones of {', '.join(map(str, dims))}")
        self.semantic = Reading(config, dims)
        self.everything = Reading(config, {n: dim + acoustic_dim for n, dim in dims.items()})
        self.register_buffer("shares", torch.tensor([[1.0, 0.0]]).repeat(len(dims), 1))

    def forward(self, codewords: Tensor, there: Tensor, frames_per_token: int, acoustic: Tensor | None = None) -> Tensor:
        """What one of the networks says.

        Args:
            codewords: ``(B, N, D)`` of semantic tokens.
            there: ``(B, N)``, 1 where an item has not ended; what lies behind is not looked at.
            frames_per_token: frames of 50 Hz in a token.
            acoustic: ``(B, N, acoustic_dim)`` of the tokens beside them; without, semantic tokens are read alone.

        Returns:
            ``(B, T, n_features)``, a vector for every ``longest / frames_per_token`` tokens that are begun.
        """
        if acoustic is None:
            read: Tensor = self.semantic(codewords, there, frames_per_token)
        else:
            read = self.everything(torch.cat([codewords, acoustic], -1), there, frames_per_token)
        return read

    def read(self, codewords: Tensor, there: Tensor, frames_per_token: int, acoustic: Tensor | None = None) -> Tensor:
        """Both readings of every token, its semantic codeword and its pitch, side by side; arguments are those of `forward`.

        Returns:
            ``(B, N, 2 · n_features + D + pitch_levels - 1)``; zero behind an item's end, and for the second reading and the
            pitch without acoustic tokens.
        """
        first = self(codewords, there, frames_per_token)
        second = torch.zeros_like(first) if acoustic is None else self(codewords, there, frames_per_token, acoustic)
        again, beside = self.shares[self.frames_per_tokens.index(frames_per_token)]
        each = torch.cat([first, again * second], -1).repeat_interleave(self.longest // frames_per_token, 1)
        each, known = each[:, : codewords.shape[1]], there.to(codewords.dtype)[..., None]
        length = PITCH_SHARE * each[..., : first.shape[-1]].norm(dim=-1, keepdim=True)
        if acoustic is None:
            pitch = codewords.new_zeros(*codewords.shape[:2], self.pitch_levels - 1)
        else:
            pitch = told_pitch(index_of(acoustic[..., 0], self.pitch_levels), self.pitch_levels).to(codewords.dtype)
        return torch.cat([each, beside * codewords, length * pitch], -1) * known


def told_pitch(index: Tensor, levels: int) -> Tensor:
    """What acoustic tokens tell of the pitch, as vectors whose mean over a clip says which pitches it has.

    Args:
        index: integers; 0 is no pitch, ``levels - 1`` says that a tone is told elsewhere, the others are steps of a pitch.
        levels: of them.

    Returns:
        A dimension behind those of ``index``, of ``levels - 1`` numbers: a bump of length 1 around the step, or a one in
        the last place for a tone, or zeros.

    Example:
        >>> told_pitch(torch.tensor([0, 2, 5]), 6).round(decimals=2)
        tensor([[0.0000, 0.0000, 0.0000, 0.0000, 0.0000],
                [0.3200, 0.8900, 0.3200, 0.0200, 0.0000],
                [0.0000, 0.0000, 0.0000, 0.0000, 1.0000]])
    """
    steps = torch.arange(1, levels - 1, device=index.device)
    bumps = torch.exp(-0.5 * ((index[..., None] - steps) / PITCH_SPREAD).square())
    bumps = F.normalize(bumps, dim=-1) * ((index > 0) & (index < levels - 1))[..., None]
    return torch.cat([bumps, (index == levels - 1)[..., None].to(bumps.dtype)], -1)


def padded(vectors: Tensor, group: int) -> Tensor:
    """``(B, N, D)`` and as many zeros behind as make whole groups."""
    return F.pad(vectors, (0, 0, 0, -vectors.shape[1] % group))


def begun(there: Tensor, group: int) -> Tensor:
    """``(B, N)``, 1 where there is a token → ``(B, T)``, 1 where there is any of ``group`` tokens.

    Example:
        >>> begun(torch.tensor([[1.0, 1.0, 1.0, 0.0, 0.0]]), 2).tolist()
        [[1.0, 1.0, 0.0]]
    """
    return F.pad(there, (0, -there.shape[1] % group)).unflatten(1, (-1, group)).amax(2)


def pooled(features: Tensor, there: Tensor) -> Tensor:
    """Means ``(B, D)`` of ``(B, T, D)`` over what is there, ``(B, T)``."""
    weights = there.to(features.dtype)[..., None]
    return (features * weights).sum(1) / weights.sum(1).clamp(min=1)
