"""How well the same small language model predicts the tokens of any codec, at equal compute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from codec.errors import CodecError
from eval.reconstruction.statistics import Interval, bootstrap_ratio
from eval.semantics.language.transformer import Size, bits, train


@dataclass(frozen=True)
class Coded:
    """A clip as tokens.

    Attributes:
        codes: ``(S, N)``.
        seconds: of audio.
    """

    codes: np.ndarray
    seconds: float


@dataclass(frozen=True)
class Predicted:
    """What the model says of clips that it never saw.

    Attributes:
        bits_per_second: of audio, with its interval over clips.
        perplexity: per token.
        nominal: bits per second of codes of fixed length.
    """

    bits_per_second: Interval
    perplexity: float
    nominal: float


def in_turn(codes: np.ndarray, sizes: Sequence[int]) -> list[int]:
    """``(S, N)`` codes as one sequence, frame by frame; codes of a stream come after those of the streams before it.

    Example:
        >>> in_turn(np.array([[1, 2], [0, 3]]), (10, 4))
        [1, 10, 2, 13]
    """
    offsets = np.cumsum([0, *sizes[:-1]])[:, None]
    return [int(code) for code in (codes + offsets).T.reshape(-1)]


def predict(splits: dict[str, list[Coded]], sizes: Sequence[int], size: Size) -> Predicted:
    """Trains on ``train``, stops by ``valid``, scores ``test``: as many steps of as many tokens for every codec.

    Args:
        splits: clips of each.
        sizes: of the codebooks.
        size: of the model and its training.

    Raises:
        CodecError: a split has no tokens.
    """
    sequences = {name: [in_turn(clip.codes, sizes) for clip in clips if clip.codes.shape[1]] for name, clips in splits.items()}
    for name in ("train", "valid", "test"):
        if not sequences.get(name):
            raise CodecError(f"no tokens in the {name} split")
    model = train(sequences["train"], sequences["valid"], sizes, size)
    spent = [bits(model, [sequence], size) for sequence in sequences["test"]]
    seconds = [clip.seconds for clip in splits["test"] if clip.codes.shape[1]]
    tokens = sum(map(len, sequences["test"]))
    nominal = float(sum(np.log2(sizes)) * tokens / len(sizes) / sum(seconds))
    return Predicted(bootstrap_ratio(spent, seconds), float(2 ** (sum(spent) / tokens)), nominal)
