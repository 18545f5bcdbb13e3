"""What the winner of the ICME 2025 challenge did around its encoders, each against the encoder as it is."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import numpy as np

from eval.markdown import table
from eval.semantics.scores import HEADS, MAJORITY, Score, is_variant

TUNED_FROM = "semcodec:features"

_ABOUT = (
    "*silence*: stretches of half a second or more below −45 dB of the clip's loudest unit are dropped, judged in "
    "units of 10 ms; *dc*: the mean is subtracted; *level*: the clip is scaled to a peak of 0.95. *padded*: clips "
    "are filled up with zeros to the longest of sixteen before they are embedded and the frames of the padding are "
    "kept, as X-ARES does; *padded-dropped*: they are dropped again, so all that is left of the batch is what a "
    "network saw beyond a clip's end. Embedded one by one and in batches, clips give the same vectors; a test holds "
    "every embedder to that. *A+B*: an ensemble, both at the finer frame rate, side by side. *tuned*: our encoder "
    "after fine-tuning on the labels of the tasks that it is named after (in brackets), then frozen. *Difference*: "
    "of the mean to the encoder as it is, in points; for an ensemble, to its better member; for a tuned encoder, "
    "over the tasks that it was not tuned on."
)


def ablations(scores: Sequence[Score]) -> Iterable[str]:
    """Tables of every variant and what it is a variant of, on the tasks that both were scored on."""
    corrected = [score for score in scores if score.mode == "corrected"]
    variants = list(dict.fromkeys(score.embedder for score in corrected if is_variant(score.embedder)))
    if not variants:
        return
    yield "### The challenge winner's ideas"
    yield _ABOUT
    for head, title in HEADS.items():
        values = {(s.embedder, s.task): s.value for s in corrected if s.head in (head, "majority")}
        tasks = [task for task in dict.fromkeys(s.task for s in corrected) if any((v, task) in values for v in variants)]
        bases = dict.fromkeys(base for variant in variants for base in parts_of(variant))
        tuned = {(s.embedder, s.task) for s in corrected if s.learned}
        names = [name for name in [MAJORITY, *bases, *variants] if any((name, task) in values for task in tasks)]
        rows = [_row(name, values, tasks, tuned) for name in names]
        if rows:
            header = [title, *(task.replace("_", " ") for task in tasks), "mean", "difference"]
            yield table(header, rows)


def parts_of(variant: str) -> tuple[str, ...]:
    """What a variant was made from.

    Example:
        >>> parts_of("logmel|dc"), parts_of("a+b"), parts_of("tuned:x")
        (('logmel',), ('a', 'b'), ('semcodec:features',))
    """
    if variant.startswith("tuned:"):
        return (TUNED_FROM,)
    plain, bar, _ = variant.partition("|")
    return (plain,) if bar else tuple(variant.split("+"))


def _row(
    name: str, values: dict[tuple[str, str], float], tasks: Sequence[str], tuned: Collection[tuple[str, str]]
) -> list[str]:
    named = name.partition(":")[2].split("-") if name.startswith("tuned:") else []
    learned = [task for task in tasks if task in named or (name, task) in tuned]
    own = [task for task in tasks if (name, task) in values and task not in learned]
    texts = {task: f"{values[name, task]:.1%}" for task in tasks if (name, task) in values}
    cells = [f"({texts[task]})" if task in learned and task in texts else texts.get(task, "–") for task in tasks]
    mean = float(np.mean([values[name, task] for task in own])) if own else float("nan")
    shown = "–" if learned or named else f"{mean:.1%}"
    return [name.replace("|", "\\|"), *cells, shown, _difference(name, values, own, mean) if own else "–"]


def _difference(name: str, values: dict[tuple[str, str], float], own: Sequence[str], mean: float) -> str:
    if not is_variant(name):
        return "–"
    bases = [base for base in parts_of(name) if all((base, task) in values for task in own)]
    if len(bases) < len(parts_of(name)):
        return "–"
    return f"{100 * (mean - max(float(np.mean([values[base, task] for task in own])) for base in bases)):+.1f}"
