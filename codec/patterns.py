"""How streams of codes become what a language model reads, and back; and the text by which its tokenizer names them.

| layout | shape | other names | |
|---|---|---|---|
| ``parallel`` | ``(S, T)`` | ``[B, n_q, T]`` | as the codec gives them |
| ``time-first`` | ``(T, S)`` | ``[B, T, n_q]`` | a row for every frame |
| ``stream-first`` | ``(S, T)`` | ``[n_q, B, T]`` | streams before the items of a batch |
| ``delay`` | ``(S, T + S - 1)`` | ``delayed`` | each stream a step after the one before (MusicGen) |
| ``flat`` | ``(S · T,)`` | ``flattened`` | frame by frame, numbers as they are: the position tells the stream |
| ``interleave`` | ``(S · T,)`` | ``interleaved`` | likewise, each stream's numbers moved behind those of the one before |
| ``sequential`` | ``(S · T,)`` | ``coarse-to-fine`` | all of a stream, then all of the next, moved likewise (AudioLM) |

Where numbers are moved, a single embedding table serves all streams.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from codec.arrays import as_array, as_codes, as_integers, given, like
from codec.errors import CodecError

if TYPE_CHECKING:
    from typing import TypeAlias

    from torch import Tensor

    Rows: TypeAlias = Sequence[int] | Sequence[Sequence[int]] | Sequence[Sequence[Sequence[int]]]
    Numbers: TypeAlias = Tensor | np.ndarray | Sequence[Tensor] | Sequence[np.ndarray] | Rows
    """Integers in a layout: one item, a batch of them, or a list of items of any lengths."""

Layout = Literal["parallel", "time-first", "stream-first", "delay", "flat", "interleave", "sequential"]
OTHER_NAMES: dict[str, Layout] = {
    "[B, n_q, T]": "parallel",
    "[B, T, n_q]": "time-first",
    "[n_q, B, T]": "stream-first",
    "delayed": "delay",
    "flattened": "flat",
    "interleaved": "interleave",
    "coarse-to-fine": "sequential",
}
"""What others call these layouts."""
FLAT = ("flat", "interleave", "sequential")
WORD = "<|audio_{}|>"
_WORDS = re.compile(r"<\|audio_(\d{1,9})\|>")


@dataclass(frozen=True)
class Pattern:
    """A layout for codebooks of given sizes.

    Attributes:
        layout: of the sequence; one of the other names is kept as the layout that it means.
        codebook_sizes: of the streams, the semantic one first.

    Raises:
        CodecError: no such layout, or no streams.

    Example:
        >>> pattern = Pattern("delay", (16, 8))
        >>> pattern.apply(np.array([[1, 2, 3], [4, 5, 6]]))
        tensor([[ 1,  2,  3, 16],
                [16,  4,  5,  6]])
        >>> Pattern("interleave", (16, 8)).apply(np.array([[1, 2], [4, 5]]))
        tensor([ 1, 20,  2, 21])
        >>> Pattern("interleaved", (16, 8)).text(np.array([1, 20]))
        '<|audio_1|><|audio_20|>'
    """

    layout: Layout
    codebook_sizes: tuple[int, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "layout", OTHER_NAMES.get(self.layout, self.layout))
        if self.layout not in get_args(Layout):
            names = ", ".join((*get_args(Layout), *OTHER_NAMES))
            raise CodecError(f"layout {self.layout!r} is not one of {names}")
        if not self.codebook_sizes:
            raise CodecError("no streams to lay out")

    @property
    def is_flat(self) -> bool:
        """Whether the result is one sequence ``(N,)``."""
        return self.layout in FLAT

    @property
    def moves(self) -> bool:
        """Whether each stream has numbers of its own."""
        return self.layout in ("interleave", "sequential")

    @property
    def special(self) -> int:
        """The first token that no code becomes: fills the corners of ``delay``, and pads batches."""
        return sum(self.codebook_sizes) if self.moves else max(self.codebook_sizes)

    @property
    def vocabulary(self) -> int:
        """Tokens that a model must tell apart, the special one included."""
        return self.special + 1

    @property
    def words(self) -> list[str]:
        """The text of every token but the special one, for ``tokenizer.add_tokens``."""
        return [WORD.format(number) for number in range(self.special)]

    def apply(self, codes: Tensor | np.ndarray) -> Tensor:
        """``(S, T)`` codes → tokens in the layout, in the shape that the module's table tells."""
        if codes.ndim != 2 or len(codes) != len(self.codebook_sizes):
            raise CodecError(f"codes of shape {tuple(codes.shape)} do not have {len(self.codebook_sizes)} streams")
        return like(self._applied(as_integers(codes)), codes)

    def _applied(self, codes: np.ndarray) -> np.ndarray:
        streams, steps = codes.shape
        if self.layout == "delay":
            delayed = np.full((streams, steps + streams - 1), self.special)
            for stream in range(streams):
                delayed[stream, stream : stream + steps] = codes[stream]
            return delayed
        if self.layout == "time-first":
            return np.ascontiguousarray(codes.T)
        if not self.is_flat:
            return codes
        moved = codes + self._offsets()
        return (moved if self.layout == "sequential" else moved.T).reshape(-1)

    def undo(self, tokens: Tensor | np.ndarray) -> Tensor:
        """The codes ``(S, T)`` that `apply` made tokens of, without special ones behind them and a last step that is not whole.

        Raises:
            CodecError: tokens that this layout does not put there.
        """
        codes = self._undone(as_integers(tokens, "tokens"))
        wrong = (codes < 0) | (codes >= np.array(self.codebook_sizes)[:, None])
        if wrong.any():
            stream, step = np.argwhere(wrong)[0]
            found = (codes + self._offsets())[stream, step]
            where = f"{found} in stream {stream}, step {step}"
            raise CodecError(f"not tokens in the layout {self.layout} of codebooks {self.codebook_sizes}: {where}")
        return like(np.ascontiguousarray(codes), tokens)

    def text(self, tokens: Tensor | np.ndarray) -> str:
        """A flat sequence ``(N,)`` as text, a word ``<|audio_17|>`` for every token but special ones.

        Raises:
            CodecError: the layout is not flat, or not such tokens.
        """
        self._require_flat()
        numbers = as_integers(tokens, "tokens")
        if numbers.ndim != 1 or ((numbers < 0) | (numbers > self.special)).any():
            raise CodecError(f"tokens of shape {numbers.shape} are no sequence of numbers below {self.vocabulary}")
        return "".join(WORD.format(number) for number in numbers.tolist() if number != self.special)

    def tokens_of(self, text: str) -> Tensor:
        """The sequence ``(N,)`` that text names, whatever else stands between its words.

        Raises:
            CodecError: the layout is not flat, or it has no such token.
        """
        self._require_flat()
        tokens = np.array([int(number) for number in _WORDS.findall(text)], np.int64)
        if len(tokens) and (largest := int(tokens.max())) >= self.special:
            raise CodecError(f"{WORD.format(largest)} is none of the {self.special} tokens of this layout")
        return given(tokens)

    def _require_flat(self) -> None:
        if not self.is_flat:
            raise CodecError(f"layout {self.layout} is not one sequence; text needs {', '.join(FLAT)}")

    def _undone(self, tokens: np.ndarray) -> np.ndarray:
        streams = len(self.codebook_sizes)
        if self.layout == "time-first" and tokens.ndim == 2:
            tokens = tokens.T
        if tokens.ndim != (1 if self.is_flat else 2) or (not self.is_flat and len(tokens) != streams):
            raise CodecError(f"tokens of shape {tokens.shape} are not in the layout {self.layout}")
        tokens = self._unpadded(tokens)
        if self.layout == "delay":
            steps = max(0, tokens.shape[1] - streams + 1)
            return np.stack([tokens[stream, stream : stream + steps] for stream in range(streams)])
        if not self.is_flat:
            return tokens
        steps = len(tokens) // streams
        whole = tokens[: steps * streams]
        codes = whole.reshape(streams, steps) if self.layout == "sequential" else whole.reshape(steps, streams).T
        return codes - self._offsets()

    def _unpadded(self, tokens: np.ndarray) -> np.ndarray:
        """Without the last steps, as far as they hold nothing but special tokens."""
        real = np.flatnonzero((np.atleast_2d(tokens) != self.special).any(0))
        return tokens[..., : int(real[-1]) + 1 if len(real) else 0]

    def _offsets(self) -> np.ndarray:
        starts = [sum(self.codebook_sizes[:stream]) * self.moves for stream in range(len(self.codebook_sizes))]
        return np.array(starts)[:, None]


def batch_of(rows: Sequence[Tensor], pattern: Pattern) -> Tensor:
    """Items in a layout as one tensor, shorter ones padded with the special token.

    Args:
        rows: what `Pattern.apply` made of each.
        pattern: that made them.

    Returns:
        ``(B, …)``; ``(S, B, T)`` in the layout ``stream-first``.
    """
    along = 0 if pattern.layout == "time-first" else -1
    longest = max((row.shape[along] for row in rows), default=0)
    padded = []
    for row in map(as_array, rows):
        width = [(0, 0)] * row.ndim
        width[along] = (0, longest - row.shape[along])
        padded.append(np.pad(row, width, constant_values=pattern.special))
    if not padded:
        return given(np.zeros(0, np.int64))
    batch = np.stack(padded)
    return like(np.ascontiguousarray(batch.swapaxes(0, 1)) if pattern.layout == "stream-first" else batch, rows[0])


def numbers_of(codes: Numbers, pattern: Pattern) -> Tensor | list[Tensor]:
    """What a language model wrote as int64: a batch, or a list of items whose lengths may differ.

    Raises:
        CodecError: no integers.
    """
    one = 1 if pattern.is_flat else 2
    if isinstance(codes, list | tuple) and codes and all(_depth(part) == one for part in codes):
        return [as_codes(part) for part in codes]
    return as_codes(codes)


def _depth(part: Any) -> int:
    """Axes of an array, a tensor, or numbers in lists of lists."""
    if hasattr(part, "ndim"):
        return int(part.ndim)
    return 1 + _depth(part[0]) if isinstance(part, list | tuple) and part else int(isinstance(part, list | tuple))


def rows_of(batch: Tensor | list[Tensor], pattern: Pattern) -> list[Tensor]:
    """The codes ``(S, T)`` of each item of what `batch_of` gives, without padding.

    Args:
        batch: with or without the axis of items, which one item does not need; or a list of items.
        pattern: that made it.

    Raises:
        CodecError: tokens that the layout does not put there.
    """
    if isinstance(batch, list):
        return [pattern.undo(row) for row in batch]
    one = 1 if pattern.is_flat else 2
    if batch.ndim not in (one, one + 1):
        raise CodecError(f"tokens of shape {tuple(batch.shape)} are not in the layout {pattern.layout}")
    if batch.ndim == one:
        return [pattern.undo(batch)]
    if pattern.layout == "stream-first":
        return [pattern.undo(batch[:, index]) for index in range(batch.shape[1])]
    return [pattern.undo(row) for row in batch]
