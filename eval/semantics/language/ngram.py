"""Interpolated n-gram models of tokens (Witten and Bell 1991), scored on tokens that they were not counted on."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

Gram = tuple[int, ...]


class NGram:
    """Counts of up to ``order`` tokens in a row.

    The probability of a token is that of its relative frequency after the longest known history, mixed with that after the
    next shorter one; new kinds of continuation get the weight that they had so far. Below the single tokens lies the uniform
    distribution, so nothing is impossible. Where streams take turns, whose turn it is is known and costs nothing.

    Args:
        order: tokens that are looked at together; 1 for their frequencies alone.
        vocabs: number of codewords of every stream that takes turns; tokens of the second come after those of the first.
    """

    def __init__(self, order: int, vocabs: Sequence[int]) -> None:
        self.order, self.vocabs = order, tuple(vocabs)
        self.counts: dict[Gram, Counter[int]] = defaultdict(Counter)
        self.totals: Counter[Gram] = Counter()

    def count(self, sequences: Iterable[Sequence[int]]) -> NGram:
        """Adds sequences."""
        for sequence in sequences:
            for position, token in enumerate(sequence):
                turn = position % len(self.vocabs)
                for length in range(min(self.order, position + 1)):
                    history = (turn, *sequence[position - length : position])
                    self.counts[history][token] += 1
                    self.totals[history] += 1
        return self

    def probability(self, token: int, history: Sequence[int], turn: int = 0) -> float:
        """The probability of a token after what came before it, when it is the turn of that stream."""
        value = 1 / self.vocabs[turn]
        for length in range(min(self.order, len(history) + 1)):
            gram = (turn, *history[len(history) - length :])
            total = self.totals.get(gram)
            if total is None:
                break
            followers = self.counts[gram]
            value = (followers.get(token, 0) + len(followers) * value) / (total + len(followers))
        return value

    def bits(self, sequences: Iterable[Sequence[int]]) -> float:
        """The bits that sequences take in an ideal arithmetic coder with this model."""
        total = 0.0
        for sequence in sequences:
            for position, token in enumerate(sequence):
                start = max(0, position - self.order + 1)
                total -= math.log2(self.probability(token, sequence[start:position], position % len(self.vocabs)))
        return total
