"""Vectors of tokens, for probes and language models: their codewords, or what a reader makes of them and their neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codec.protocol import Stream, check_stream
from codec.tokens import Tokens

if TYPE_CHECKING:
    from torch import Tensor

    from codec.networks.interface import CodecNetworks
    from codec.networks.token_reader import TokenReader

READ_STREAMS = 2
"""That a reader reads: semantic tokens, and the first acoustic ones."""


def codewords(networks: CodecNetworks, tokens: Tokens, frames_per_token: int, stream: Stream) -> Tensor:
    """k-means codewords, pitch and acoustic coefficients, or both, ``(B, N, D)``; zero where an item has ended.

    Raises:
        CodecError: the acoustic stream is asked for and not there, or no such stream.
    """
    import torch

    check_stream(tokens, stream)
    with torch.no_grad():
        semantic, acoustic = networks.codes_to_values(tokens.codes, frames_per_token, tokens.codebook_sizes[0])
    named = {"semantic": semantic, "acoustic": acoustic}
    parts = [part for name, part in named.items() if part is not None and stream in (name, "both")]
    chosen = torch.cat(parts, dim=-1).to(tokens.codes.device)
    return chosen.masked_fill(~tokens.mask[..., None], 0)


def read_in_context(networks: CodecNetworks, reader: TokenReader, tokens: Tokens, frames_per_token: int) -> Tensor:
    """What a reader makes of tokens, ``(B, N, D)``; zero where an item has ended.

    Args:
        networks: whose tokens they are.
        reader: of these tokens.
        tokens: a batch.
        frames_per_token: frames of 50 Hz in a token.
    """
    import torch

    vocab = tokens.codebook_sizes[0]
    with torch.no_grad():
        semantic, acoustic = networks.codes_to_values(tokens.codes[:, :READ_STREAMS], frames_per_token, vocab)
        vectors: Tensor = reader.read(semantic, tokens.mask.to(semantic.device), frames_per_token, acoustic)
    return vectors.to(tokens.codes.device)
