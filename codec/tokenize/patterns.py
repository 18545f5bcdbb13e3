"""How two streams of codes become what a language model reads, and back.

``parallel``: both streams side by side. ``delay``: the acoustic stream one step later, so that a step's acoustic token can
depend on its semantic one (MusicGen). ``interleave``: one sequence, semantic and acoustic in turn. ``sequential``: one
sequence, everything semantic and then everything acoustic (AudioLM). In one sequence, acoustic codes are moved up by the
semantic vocabulary, so that a single embedding table serves both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from codec.errors import CodecError

Layout = Literal["parallel", "delay", "interleave", "sequential"]


@dataclass(frozen=True)
class Pattern:
    """A layout for codebooks of given sizes.

    Attributes:
        layout: of the sequence.
        codebook_sizes: of the semantic and the acoustic stream; only the first for semantic tokens alone.

    Example:
        >>> pattern = Pattern("delay", (16, 8))
        >>> pattern.apply(torch.tensor([[1, 2, 3], [4, 5, 6]]))
        tensor([[ 1,  2,  3, 16],
                [16,  4,  5,  6]])
        >>> Pattern("interleave", (16, 8)).apply(torch.tensor([[1, 2], [4, 5]]))
        tensor([ 1, 20,  2, 21])
    """

    layout: Layout
    codebook_sizes: tuple[int, ...]

    def __post_init__(self) -> None:
        if self.layout not in get_args(Layout):
            raise CodecError(f"layout {self.layout!r} is not one of {', '.join(get_args(Layout))}")
        if len(self.codebook_sizes) not in (1, 2):
            raise CodecError(f"{len(self.codebook_sizes)} streams; layouts are for one or two")

    @property
    def is_flat(self) -> bool:
        """Whether the result is one sequence ``(N,)``, not ``(S, N)``."""
        return self.layout in ("interleave", "sequential")

    @property
    def special(self) -> int:
        """The first token that no code becomes: fills the corners of ``delay``, and pads batches."""
        return sum(self.codebook_sizes) if self.is_flat else max(self.codebook_sizes)

    @property
    def vocabulary(self) -> int:
        """Tokens that a model must tell apart, the special one included."""
        return self.special + 1

    def apply(self, codes: Tensor) -> Tensor:
        """``(S, T)`` codes → ``(S, T)``, ``(S, T + S - 1)`` or ``(S · T,)`` tokens."""
        if codes.ndim != 2 or len(codes) != len(self.codebook_sizes):
            raise CodecError(f"codes of shape {tuple(codes.shape)} do not have {len(self.codebook_sizes)} streams")
        streams, steps = codes.shape
        if self.layout == "parallel":
            return codes
        if self.layout == "delay":
            delayed = codes.new_full((streams, steps + streams - 1), self.special)
            for stream in range(streams):
                delayed[stream, stream : stream + steps] = codes[stream]
            return delayed
        moved = codes + self._offsets(codes)
        return (moved.T if self.layout == "interleave" else moved).reshape(-1)

    def undo(self, tokens: Tensor) -> Tensor:
        """The codes ``(S, T)`` that `apply` made tokens of; a last step that is not whole is left out.

        Raises:
            CodecError: tokens that this layout does not put there.
        """
        codes = self._undone(tokens)
        sizes = torch.tensor(self.codebook_sizes, device=codes.device)[:, None]
        if ((codes < 0) | (codes >= sizes)).any():
            raise CodecError(f"not tokens in the layout {self.layout} of codebooks {self.codebook_sizes}")
        return codes

    def _undone(self, tokens: Tensor) -> Tensor:
        streams = len(self.codebook_sizes)
        if tokens.ndim != (1 if self.is_flat else 2) or (not self.is_flat and len(tokens) != streams):
            raise CodecError(f"tokens of shape {tuple(tokens.shape)} are not in the layout {self.layout}")
        if self.layout == "parallel":
            return tokens
        if self.layout == "delay":
            steps = max(0, tokens.shape[1] - streams + 1)
            return torch.stack([tokens[stream, stream : stream + steps] for stream in range(streams)])
        steps = len(tokens) // streams
        whole = tokens[: steps * streams]
        codes = whole.reshape(steps, streams).T if self.layout == "interleave" else whole.reshape(streams, steps)
        return codes - self._offsets(codes)

    def _offsets(self, codes: Tensor) -> Tensor:
        starts = [sum(self.codebook_sizes[:stream]) for stream in range(len(self.codebook_sizes))]
        return torch.tensor(starts, device=codes.device)[:, None]
