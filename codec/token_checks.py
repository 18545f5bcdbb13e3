"""Whether tokens are what a model can decode."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from codec.errors import CodecError
from codec.token_spec import TokenSpec
from codec.tokens import Tokens

if TYPE_CHECKING:
    from torch import Tensor


def require_tokens(tokens: object) -> None:
    """Refuses what is no `Tokens`, such as the codes alone.

    Raises:
        CodecError: it is none.
    """
    if not isinstance(tokens, Tokens):
        raise CodecError(f"tokens are needed, not a {type(tokens).__name__}: model.tokens(codes, rate=…) makes them of codes")


def check_tokens(tokens: Tokens, spec: TokenSpec) -> None:
    """Refuses tokens that a model with the same fingerprint would not have made.

    Args:
        tokens: of all streams, or of the first ones.
        spec: of the model's tokens at their rate and vocabulary.

    Raises:
        CodecError: other codebooks, another sample rate of the model, too few frames, or codes outside their codebooks.
    """
    if tokens.codebook_sizes != spec.codebook_sizes[: len(tokens.codebook_sizes)]:
        raise CodecError(f"codebooks {tokens.codebook_sizes} are not this model's {spec.codebook_sizes}")
    if tokens.model_rate != spec.model_rate:
        raise CodecError(f"model_rate {tokens.model_rate} is not this model's: {spec.model_rate}")
    if tokens.codes.shape[2] < int(tokens.frames.max() if len(tokens.codes) else 0):
        raise CodecError("fewer frames than the declared length needs")
    check_codes(tokens.codes, tokens.codebook_sizes)


def check_codes(codes: Tensor | np.ndarray, codebook_sizes: Sequence[int]) -> None:
    """Refuses codes that no codebook has.

    Args:
        codes: ``(B, S, N)`` int64.
        codebook_sizes: of at least S streams.

    Raises:
        CodecError: another shape, or codes outside their codebooks.
    """
    if codes.ndim != 3 or not 1 <= codes.shape[1] <= len(codebook_sizes):
        raise CodecError(
            f"codes of shape {tuple(codes.shape)}: (batch, up to {len(codebook_sizes)} streams, frames) is expected"
        )
    for number, size in enumerate(codebook_sizes[: codes.shape[1]]):
        stream = codes[:, number]
        if ((stream < 0) | (stream >= size)).any():
            found = f"from {int(stream.min())} to {int(stream.max())} in stream {number}, which has {size}"
            raise CodecError(f"codes lie outside their codebooks: {found}")
