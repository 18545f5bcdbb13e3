"""Which metrics are asked of which clip in an exam, and what is missing on this machine to ask them."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from functools import cache

from codec.baselines.interface import Encoded, Reconstructor
from codec.errors import CodecError
from eval.reconstruction.interface import Metric, MetricError, Pair, Scores
from eval.reconstruction.registry import FAMILIES, metrics, score
from eval.reconstruction.robustness import CHANGES, robustness
from eval.reconstruction.tones import Tones

NEED_TRANSCRIPTS = ("wer", "cer")
OF_TONES = FAMILIES["tones"]


@cache
def opened(names: tuple[str, ...], asr: str) -> tuple[list[Metric], dict[str, str]]:
    """Those metrics that can be opened here, and what the others need.

    Raises:
        CodecError: an unknown name, or nothing can be opened.
    """
    found: dict[str, Metric] = {}
    missing: dict[str, str] = {}
    for members in FAMILIES.values():
        wanted = [name for name in names if name in members]
        try:
            found |= {metric.name: metric for metric in metrics(wanted, asr=asr)}
        except CodecError as error:
            missing |= dict.fromkeys(wanted, str(error))
    if not found:
        raise CodecError(next(iter(missing.values()), f"no metrics among {', '.join(names)}"))
    return [found[name] for name in names if name in found], missing


def open_metrics(names: tuple[str, ...], asr: str) -> list[Metric]:
    """Those of `opened` that there are."""
    return opened(names, asr)[0]


def has_tones(pair: Pair) -> bool:
    """Whether the clip's text says which tones sound in it."""
    try:
        return pair.domain == "sound" and bool(Tones.parse(pair.text or ""))
    except MetricError:
        return False


def score_suited(pair: Pair, metrics: Sequence[Metric]) -> Scores:
    """Scores as `eval.reconstruction.registry.score` does: tones by metrics of tones, words where there is a transcript."""
    of_tones = has_tones(pair)
    asked = [metric for metric in metrics if (metric.name in OF_TONES) == of_tones]
    return score(pair, [metric for metric in asked if pair.text or metric.name not in NEED_TRANSCRIPTS])


def possible_changes() -> tuple[str, ...]:
    """The changes of `eval.reconstruction.robustness.CHANGES` that this machine can make."""
    return tuple(name for name in CHANGES if name != "mp3" or shutil.which("lame"))


def tokens_of(codec: Reconstructor, pair: Pair, encoded: Encoded) -> Scores:
    """Robustness of tokens to recordings; that of steady tones would say little."""
    return Scores() if has_tones(pair) else robustness(codec, pair, encoded, possible_changes())
