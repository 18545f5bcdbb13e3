"""What tokens say of labels: purity and phone-normalised mutual information (Hsu et al. 2021, HuBERT), with any label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from codec.errors import CodecError
from quantizers.usage import entropy_of

SHUFFLES = 20


@dataclass(frozen=True)
class Agreement:
    """How well tokens agree with the labels of the clips that they are in.

    Attributes:
        tokens, labels: how many.
        pnmi: share of the label's entropy that a token takes away.
        purity: share of tokens with the most frequent label of their codeword.
        chance_pnmi, chance_purity: the same after clips swapped their labels, mean over shuffles; with many codewords and few
            clips both are far above 0.
        adjusted: (pnmi − chance) / (1 − chance).
    """

    tokens: int
    labels: int
    pnmi: float
    purity: float
    chance_pnmi: float
    chance_purity: float

    @property
    def adjusted(self) -> float:
        """PNMI above chance: 0 for tokens that know nothing, 1 for tokens that know all."""
        return (self.pnmi - self.chance_pnmi) / max(1 - self.chance_pnmi, 1e-9)


def agreement(clips: Sequence[np.ndarray], labels: Sequence[str]) -> Agreement:
    """Agreement of the codes of clips ``(N,)`` each with a label per clip.

    Raises:
        CodecError: fewer than two labels, or no tokens.
    """
    names = sorted(set(labels))
    if len(names) < 2 or not sum(map(len, clips)):
        raise CodecError(f"{len(names)} labels on {sum(map(len, clips))} tokens: nothing to compare")
    numbers = np.array([names.index(label) for label in labels])
    codes = np.unique(np.concatenate(list(clips)), return_inverse=True)[1]
    lengths = [len(clip) for clip in clips]
    random = np.random.default_rng(0)
    true = _measure(codes, np.repeat(numbers, lengths))
    chance = np.mean([_measure(codes, np.repeat(random.permutation(numbers), lengths)) for _ in range(SHUFFLES)], axis=0)
    return Agreement(len(codes), len(names), *true, *map(float, chance))


def _measure(codes: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """PNMI and purity of paired codes and labels."""
    classes = labels.max() + 1
    joint = np.bincount(codes * classes + labels, minlength=(codes.max() + 1) * classes).reshape(-1, classes) / len(codes)
    information = entropy_of(joint.sum(0)) + entropy_of(joint.sum(1)) - entropy_of(joint.ravel())
    return float(information / max(entropy_of(joint.sum(0)), 1e-12)), float(joint.max(1).sum())
