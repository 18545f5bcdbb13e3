"""A language model's numbers → tokens of any codec with a semantic stream."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from codec.errors import CodecError
from codec.patterns import numbers_of, rows_of
from codec.protocol import SemanticCodec
from codec.tokens import Tokens, batch

if TYPE_CHECKING:
    from torch import Tensor

    from codec.patterns import Numbers


def tokens_of(
    model: SemanticCodec,
    codes: Numbers,
    rate: int | None,
    vocab: int | None,
    layout: str,
    lengths: Tensor | None,
    sample_rate: int | None,
) -> Tokens:
    """Tokens of a model; arguments as `codec.Codec.tokens` takes them.

    Raises:
        CodecError: unknown rate, vocabulary or layout, other shapes, no integers, or codes that no codebook has.
    """
    empty = model.describe(model.sample_rate if sample_rate is None else sample_rate, rate, vocab)
    pattern = empty.pattern(layout)
    numbers = numbers_of(codes, pattern)
    shape = numbers[0].shape if isinstance(numbers, list) else numbers.shape
    if not pattern.is_flat and len(shape) in (2, 3):
        axis = {"stream-first": 0, "time-first": -1}.get(pattern.layout, -2)
        empty = _first_streams(model, empty, shape[axis])
    made = batch(empty, rows_of(numbers, empty.pattern(layout)))
    made = made if lengths is None else replace(made, lengths=lengths)
    model.check(made)
    return made


def _first_streams(model: SemanticCodec, empty: Tokens, streams: int) -> Tokens:
    """Tokens of no audio with fewer streams."""
    if not 1 <= streams <= len(empty.codebook_sizes):
        rates = ", ".join(map(str, sorted(model.rates)))
        raise CodecError(
            f"{streams} streams, but {empty.rate:g} tokens/s have {len(empty.codebook_sizes)}; rate= may be {rates}"
        )
    return replace(empty, codes=empty.codes[:, :streams], codebook_sizes=empty.codebook_sizes[:streams])
