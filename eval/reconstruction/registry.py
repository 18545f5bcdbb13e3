"""All metrics by name, and what they say of a pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module

import numpy as np

from codec.errors import CodecError
from eval.reconstruction.interface import Metric, MetricError, Pair, Scores

FAMILIES: dict[str, tuple[str, ...]] = {
    "spectral": ("mel_distance", "stft_distance"),
    "visqol": ("visqol",),
    "intrusive": ("pesq_wb", "pesq_nb", "stoi", "estoi", "si_sdr"),
    "pitch": ("f0_cents", "f0_hz", "fine_cents", "gross_pitch_error", "voicing_error", "harmonicity_low", "harmonicity_high"),
    "speaker": ("speaker_similarity",),
    "mos": ("dnsmos", "dnsmos_sig", "dnsmos_bak", "dnsmos_p808", "distillmos"),
    "words": ("wer", "cer", "dwer"),
    "witness": ("wer_moonshine", "cer_moonshine", "dwer_moonshine"),
    "tones": ("tone_level", "tone_change", "tone_frequency", "tones_kept", "added_lines"),
    "delay": ("delay",),
    "utmos": ("utmosv2",),
    "scoreq": ("scoreq", "scoreq_distance"),
    "audiobox": ("audiobox_pq", "audiobox_ce", "audiobox_cu", "audiobox_pc"),
}
"""Modules of this package and the metrics that each offers."""
NAMES = tuple(name for names in FAMILIES.values() for name in names)
ELSEWHERE = (*FAMILIES["utmos"], *FAMILIES["scoreq"], *FAMILIES["audiobox"])
"""Metrics whose packages and weights no extra of ours brings."""
SINGLE = ("speaker_similarity", "fine_cents", "gross_pitch_error", "dwer")
ASKED_FOR = (*SINGLE, *FAMILIES["witness"], *FAMILIES["tones"], *ELSEWHERE)
"""Metrics of one question each, of English alone, and one whose package wants a command of its own: only by name."""
DEFAULT = tuple(name for name in NAMES if name not in ASKED_FOR)
"""All others, with what ``semcodec[eval]`` installs."""


def metrics(names: Sequence[str] | None = None, *, asr: str = "pocketsphinx") -> list[Metric]:
    """Opens metrics, with their models.

    Args:
        names: of `NAMES`; None: `DEFAULT`.
        asr: recogniser of the word error rate, see `eval.reconstruction.recognisers.recogniser`.

    Returns:
        In the order asked for.

    Raises:
        CodecError: an unknown name, a package that is not installed, a recogniser that cannot be opened.

    Example:
        >>> [metric.name for metric in metrics(["delay", "mel_distance"])]
        ['delay', 'mel_distance']
    """
    wanted = DEFAULT if names is None else tuple(dict.fromkeys(names))
    unknown = [name for name in wanted if name not in NAMES]
    if unknown:
        raise CodecError(f"no metric {', '.join(unknown)}; known are {', '.join(NAMES)}")
    found: dict[str, Metric] = {}
    for family, members in FAMILIES.items():
        if set(members) & set(wanted):
            module = import_module(f"eval.reconstruction.{family}")
            offered = module.metrics(asr) if family == "words" else module.metrics()
            found |= {metric.name: metric for metric in offered}
    return [found[name] for name in wanted]


def score(pair: Pair, metrics: Sequence[Metric]) -> Scores:
    """What each metric that suits the pair's domain says; what fails is named with its reason, and has no value.

    Args:
        pair: reference and output.
        metrics: as `metrics` opens them.
    """
    scores = Scores()
    problem = _unusable(pair)
    for metric in metrics:
        if pair.domain not in metric.domains:
            continue
        if problem:
            scores.failed[metric.name] = problem
            continue
        try:
            scores.values.update(_values(metric, pair))
        except MetricError as error:
            scores.failed[metric.name] = str(error)
        except Exception as error:  # the packages raise whatever they like on odd clips
            scores.failed[metric.name] = f"{type(error).__name__}: {error}"
    return scores


def _unusable(pair: Pair) -> str:
    if not pair.reference.size:
        return "no samples"
    for name, wave in (("reference", pair.reference), ("output", pair.output)):
        if not np.isfinite(wave).all():
            return f"the {name} has NaN or infinite samples"
    return ""


def _values(metric: Metric, pair: Pair) -> dict[str, float]:
    result = metric.function(pair)
    values = {k: float(v) for k, v in result.items()} if isinstance(result, Mapping) else {metric.name: float(result)}
    if not np.isfinite(list(values.values())).all():
        raise MetricError(f"the value is {values[metric.name]}")
    return values
