"""Runs an exam: from a command line to a card."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from rich.console import Console

from benchmarks.exam.card import FORMAT, Card, columns_of, examined
from benchmarks.exam.columns import MEASURED, SLOW
from benchmarks.exam.cost import Cost, cost_of
from benchmarks.exam.language import language_of, waves_of
from benchmarks.exam.material import Material, material
from benchmarks.exam.opening import ANCHORS, NOISE, ORIGINAL, Opener
from benchmarks.exam.write import write_card
from benchmarks.sweep.points import suits
from codec.data.testsets.clip import Clip
from codec.errors import CodecError
from codec.provenance import code_version
from eval.reconstruction import robustness
from eval.reconstruction.cache import Cache
from eval.reconstruction.command import check_folder, recogniser_name
from eval.reconstruction.provenance import data_name
from eval.reconstruction.recognisers import check_recogniser
from eval.reconstruction.registry import ELSEWHERE
from eval.reconstruction.results import MetricInfo, Results
from eval.reconstruction.runner import run
from eval.reconstruction.show import problems
from eval.reconstruction.suited import open_metrics, opened, possible_changes, score_suited, tokens_of
from eval.reconstruction.worker import Setup
from eval.semantics.language.any_codec import Predicted

BESIDE = ("opus@6", "codec2@450", "codec2@700C", "codec2@1300", "codec2@3200")
BESIDE_QUICK = ("opus@6", "codec2@1300")
NEEDS_LAME = "the program lame is not installed: apt-get install lame"


@dataclass(frozen=True)
class Exam:
    """What is asked for.

    Attributes:
        codecs: names that ``opener`` knows.
        opener: of codecs.
        output: folder of the card.
        clips: as for `codec.data.testsets.clips_of`; None: the small set.
        per_domain: at most so many of them of each domain.
        asr: recogniser of the words.
        also: metrics of packages that are not ours to bring, by name.
        quick: fewer clips and metrics.
        language: as ``clips``, or a built corpus, whose tokens a small transformer learns; None: no such rows.
        cost: whether multiply-adds, memory and the like are measured.
        workers: processes; 0: in this one.
        cache: folder of what was measured before.
    """

    codecs: tuple[str, ...]
    opener: Opener
    output: Path
    clips: str | None
    per_domain: int | None
    asr: str
    also: tuple[str, ...]
    quick: bool
    language: str | None
    cost: bool
    workers: int
    cache: Path

    def __post_init__(self) -> None:
        if not self.codecs:
            raise CodecError("no codecs: name one, for example codec exam semcodec@50, or a pair of programs with --command")


def main(exam: Exam) -> int:
    """Measures and writes ``card.json``, ``card.md`` and ``card.html``.

    Returns:
        0, or 1 if a codec, a clip or a metric failed or was not there; transcripts that are missing do not count.

    Raises:
        CodecError: no such codec, recogniser or data, or no folder to write to, or nothing can be measured at all.
    """
    begun = time.monotonic()
    for name in exam.codecs:
        exam.opener.check(name)
    check_recogniser(exam.asr)
    check_folder(exam.output)
    check_folder(exam.cache)
    _tell("1 of 4: clips")
    chosen = material(exam.clips, exam.output / "clips", exam.quick, exam.per_domain)
    counted = ", ".join(f"{len(clips)} {group}" for group, clips in chosen.groups.items())
    _tell(f"2 of 4: metrics and codecs on {counted}; what was measured before is remembered")
    names = _metric_names(exam.quick, exam.also)
    _, missing = opened(names, exam.asr)
    results = _run(exam, chosen, names)
    _tell("3 of 4: cost, each codec in a process of its own" if exam.cost else "3 of 4: no cost asked for")
    costs, failed = _costs(exam, results)
    languages = _languages(exam, results, failed) if exam.language else {}
    if "mp3" not in possible_changes():
        missing = {**missing, "kept_mp3": NEEDS_LAME}
    card = _card(exam, chosen, results, Asked(costs, languages, failed), missing)
    _tell("4 of 4: the card, with sound to hear")
    clips = [clip for found in chosen.groups.values() for clip in found]
    write_card(card, _heard(results), clips, exam.opener, exam.output)
    for name, reason in missing.items():
        print(f"{name} was not measured: {reason}", file=sys.stderr)
    for line in card.problems:
        print(line, file=sys.stderr)
    _tell(f"done in {time.monotonic() - begun:.0f} s: open {exam.output / 'card.html'} in a browser")
    return 1 if missing or card.problems else 0


def _tell(line: str) -> None:
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"exam, {line}")


def _metric_names(quick: bool, also: tuple[str, ...]) -> tuple[str, ...]:
    if strange := [name for name in also if name not in ELSEWHERE]:
        raise CodecError(f"no metric {strange[0]} to ask for besides; there are {', '.join(ELSEWHERE)}")
    return tuple(name for name in MEASURED if name in also or not (name in ELSEWHERE or (quick and name in SLOW)))


def _run(exam: Exam, chosen: Material, names: tuple[str, ...]) -> Results:
    group = {clip.name: name for name, clips in chosen.groups.items() for clip in clips}
    settings = {"asr": recogniser_name(exam.asr), "tokens": ",".join(possible_changes())}
    setup = Setup(exam.opener, partial(open_metrics, names, exam.asr), score_suited, settings, ask=tokens_of)

    def wanted(codec: str, clip: Clip) -> bool:
        return codec in ANCHORS or group[clip.name] in ("speech", "tones") or suits(codec, clip.domain)

    clips = [clip for found in chosen.groups.values() for clip in found]
    config = {"codecs": list(exam.codecs), "quick": exam.quick, "commands": exam.opener.commands}
    codecs = [ORIGINAL, NOISE, *(name for name in exam.codecs if name not in ANCHORS)]
    data = data_name(exam.clips) if exam.clips else chosen.name
    return run(codecs, clips, setup, Cache(exam.cache), exam.workers, data, config, wanted)


def _costs(exam: Exam, results: Results) -> tuple[dict[str, Cost], dict[str, str]]:
    costs: dict[str, Cost] = {}
    failed: dict[str, str] = {}
    code = code_version("eval/reconstruction", "codec", "quantizers")
    for info in results.codecs if exam.cost else ():
        if info.name in ANCHORS:
            continue
        try:
            costs[info.name] = cost_of(info.name, info.version, exam.opener, exam.cache, code)
        except CodecError as error:
            failed[f"cost of {info.name} is not known"] = str(error)
    return costs, failed


def _languages(exam: Exam, results: Results, failed: dict[str, str]) -> dict[str, Predicted]:
    assert exam.language is not None
    waves, found = waves_of(exam.language), {}
    code = code_version("eval/semantics/language", "codec", "quantizers")
    for info in results.codecs:
        if info.name not in ANCHORS:
            _tell(f"3 of 4: language of {info.name}")
            try:
                predicted = language_of(info.name, info.version, exam.opener, waves, exam.cache, code)
            except CodecError as error:
                failed[f"language of {info.name} is not known"] = str(error)
                continue
            if predicted is not None:
                found[info.name] = predicted
    return found


@dataclass(frozen=True)
class Asked:
    """What was asked of codecs beside their clips.

    Attributes:
        costs, languages: by codec.
        failed: reasons by what failed.
    """

    costs: dict[str, Cost]
    languages: dict[str, Predicted]
    failed: dict[str, str]


def _card(exam: Exam, chosen: Material, results: Results, asked: Asked, missing: dict[str, str]) -> Card:
    groups = {clip.name: name for name, clips in chosen.groups.items() for clip in clips}
    metrics = {metric.name: metric for metric in results.metrics}
    metrics |= {m.name: MetricInfo(m.name, m.unit, m.higher_is_better, m.cite, m.ratio) for m in robustness.metrics()}
    codecs = examined(results, groups, metrics, asked.costs, asked.languages, exam.asr)
    seconds = {row.clip: row.seconds for row in results.rows}
    return Card(
        format=FORMAT,
        clips={name: len(clips) for name, clips in chosen.groups.items()},
        seconds={name: round(sum(seconds.get(clip.name, 0.0) for clip in clips), 2) for name, clips in chosen.groups.items()},
        columns=columns_of(codecs),
        codecs=codecs,
        missing=missing,
        problems=[*problems(_heard(results)), *(f"{name}: {why}" for name, why in asked.failed.items())],
        asr=results.provenance.config["asr"],
        quick=exam.quick,
        provenance=results.provenance,
    )


def _heard(results: Results) -> Results:
    """Without noise, of which much cannot be said, and which nobody wants to hear."""
    rows = tuple(row for row in results.rows if row.codec != NOISE)
    return replace(results, rows=rows, codecs=tuple(info for info in results.codecs if info.name != NOISE))


def with_beside(codecs: Sequence[str], beside: str | None, quick: bool) -> tuple[str, ...]:
    """The codecs asked for and those that they are compared with, each once."""
    asked = () if beside == "none" else tuple(filter(None, (beside or "").split(",")))
    others = asked if beside is not None else BESIDE_QUICK if quick else BESIDE
    return tuple(dict.fromkeys((*codecs, *others)))
