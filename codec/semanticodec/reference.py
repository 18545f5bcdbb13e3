"""To and from what the reference implementation's users have: its token tensor, and files of which it reads one channel."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from codec.audio.io import read_audio
from codec.errors import CodecError
from codec.semanticodec.config import SAMPLE_RATE
from codec.semanticodec.model import OfficialCodec
from codec.tokens import Tokens

INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


def to_reference(tokens: Tokens) -> Tensor:
    """One item of tokens → the reference's int64 ``[1, N, 2]``: semantic, acoustic.

    Raises:
        CodecError: not one item with both streams.
    """
    if tokens.codes.shape[:2] != (1, 2):
        raise CodecError(
            f"the reference's tensor holds one item with both streams, not codes of shape {tuple(tokens.codes.shape)}"
        )
    return tokens.item(0).codes.transpose(1, 2).contiguous()


def from_reference(
    model: OfficialCodec, tensor: Tensor | np.ndarray, rate: int | None = None, vocab: int | None = None
) -> Tokens:
    """The reference's ``[1, N, 2]`` → tokens that ``model`` decodes.

    The original's length is not in it: it counts as N pairs long.

    Args:
        model: of the same checkpoints.
        tensor: integer.
        rate: that it was made at, default the model's.
        vocab: likewise.

    Raises:
        CodecError: another shape or type, no tokens, or numbers outside the codebooks.
    """
    codes = torch.as_tensor(tensor).cpu()
    if codes.ndim != 3 or codes.shape[0] != 1 or codes.shape[2] != 2 or codes.dtype not in INTEGERS:
        raise CodecError(f"the reference's tokens are integers of shape [1, N, 2], not {codes.dtype} {list(codes.shape)}")
    if not codes.shape[1]:
        raise CodecError("there are no tokens to decode")
    empty = model.describe(SAMPLE_RATE, rate, vocab)
    counts = torch.tensor([codes.shape[1]])
    lengths = counts * model.configs[round(empty.rate)].samples_per_pair
    tokens = replace(empty, codes=codes.long().transpose(1, 2).contiguous(), lengths=lengths, counts=counts)
    model.check(tokens)
    return tokens


def read_mono(path: str | os.PathLike[str], average: bool = False) -> tuple[np.ndarray, int]:
    """``(samples,)`` of a file and its sample rate in Hz: the first channel, as the reference takes it, or their mean."""
    wave, sample_rate = read_audio(path)
    return wave.mean(axis=0) if average else wave[0], sample_rate
