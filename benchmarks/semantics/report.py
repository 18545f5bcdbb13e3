"""``codec probe report``: tables and plots of measured results, beside published ones that are labelled as such."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.semantics.ablations import ablations
from benchmarks.semantics.goals import goals
from benchmarks.semantics.language import language
from benchmarks.semantics.side_by_side import side_by_side
from benchmarks.semantics.tables import FIRST, label
from benchmarks.semantics.teacher import beside_teacher
from codec.atomic import atomic_write
from codec.errors import CodecError
from eval.markdown import table
from eval.semantics.scores import (
    MAJORITY,
    Failure,
    HeadName,
    Results,
    Score,
    Suite,
    is_variant,
    read_results,
    weighted_average,
)
from eval.semantics.xares.published import BASELINES, LEADERBOARD
from eval.semantics.xares.tasks import BY_NAME

TITLES: dict[HeadName, str] = {"knn": "k-NN (k = 10, cosine, T = 0.07)", "mlp": "Trained head (LayerNorm + linear)"}
SUITES: dict[Suite, str] = {
    "tasks": "Tasks from free audio",
    "xares": "Public tasks of X-ARES",
    "hear": "HEAR",
}


def write(paths: Sequence[Path], output: Path, plots: bool) -> None:
    """Writes a page, and plots into a folder ``images`` beside it.

    Raises:
        CodecError: a file is missing or holds something else, or there is nothing to report.
    """
    modelled, scored = _sorted(paths)
    results = read_results(scored)
    if not results.scores and not modelled:
        raise CodecError("nothing to report: the files hold no scores")
    output.parent.mkdir(parents=True, exist_ok=True)
    drawn: dict[str, str] = {}
    if plots and results.scores:
        from benchmarks.semantics.plots import draw

        drawn = draw(results, output.parent / "images")
    with atomic_write(output) as handle:
        handle.write(page(results, modelled, drawn).encode())


def page(results: Results, modelled: Sequence[dict[str, Any]], drawn: dict[str, str]) -> str:
    """The whole page in Markdown."""
    parts = [_HEAD + (_PEERS if any(score.embedder.startswith("peer:") for score in results.scores) else "")]
    for suite, title in SUITES.items():
        everything = [score for score in results.scores if score.suite == suite]
        scores = [score for score in everything if not is_variant(score.embedder)]
        if scores:
            parts += [f"## {title}", *_suite(scores, results.tasks)]
            parts += [f"![{title}: {kind.split()[1]}](images/{file})" for kind, file in drawn.items() if kind.startswith(suite)]
            parts += side_by_side(scores)
            parts += [*goals(scores), *beside_teacher(scores)] if suite == "tasks" else []
        parts += ablations(everything)
    parts += _failures(results.failures)
    for report in modelled:
        parts += language(report, results.scores)
    return "\n\n".join([*parts, _published()]) + "\n"


_HEAD = """# What the tokens mean

Written by `codec probe report` from the JSON files that `codec probe run`, `hear` and `lm` leave; `make probe` does it all.
A **k-NN** score asks whether clips with the same label lie close together, with nothing trained; the **trained head** asks
whether a linear layer can tell them apart. Rows marked \\* have random weights: their architecture alone, not the published
codec. *kbps* is what the tokens behind a row take; encoders without tokens have none. The majority class is what one scores
without listening. *semcodec@50:context* is what our [reader](semantic-encoder.md#the-reader-of-tokens) makes of the tokens:
it learned from synthetic voices other than those that test, and from no task's labels."""
_PEERS = """ Rows that begin with *peer:* are EnCodec's and DAC's architecture as `train.peers` makes it here unless told
otherwise, a quarter as wide as published and with two codebooks: not the published codecs. *peer:plain* is our own decoder
behind a plain residual quantiser: what there is without a semantic stream."""


def _suite(scores: Sequence[Score], facts: Mapping[str, Mapping[str, object]]) -> Iterable[str]:
    tasks = list(dict.fromkeys(score.task for score in scores))
    yield _described(scores, tasks, facts)
    for head, title in TITLES.items():
        chosen = [s for s in scores if s.mode == "corrected" and s.head in (head, "majority")]
        if any(score.head == head for score in chosen):
            yield f"### {title}"
            yield _matrix(chosen, tasks)


def _described(scores: Sequence[Score], tasks: Sequence[str], facts: Mapping[str, Mapping[str, object]]) -> str:
    rows = []
    for task in tasks:
        score = next(s for s in scores if s.task == task and s.head != "majority")
        about = facts.get(task, {})
        words = [str(about.get(key) or "–") for key in ("classes", "source", "held_out", "seen")]
        rows.append([task.replace("_", " "), words[0], score.metric, f"{score.train} + {score.test}", *words[1:]])
    header = ["task", "classes", "metric", "clips to train, to test", "from", "new in test", "heard by our model in training"]
    return table(header, rows)


def _matrix(scores: Sequence[Score], tasks: Sequence[str]) -> str:
    values = {(s.embedder, s.task): s for s in scores}
    tasks = [task for task in tasks if any(s.task == task and s.embedder != MAJORITY for s in scores)]
    names = sorted(
        {s.embedder for s in scores if s.task in tasks}, key=lambda name: (name != MAJORITY, -_mean(values, name, tasks))
    )
    best = {
        task: max(values[name, task].value for name in names if (name, task) in values and name != MAJORITY) for task in tasks
    }
    groups = {"mean": tasks} | ({f"mean of the first {len(FIRST)}": FIRST} if set(FIRST) < set(tasks) else {})
    rows = []
    for name in names:
        own = [values[name, task] for task in tasks if (name, task) in values]
        cells = [_cell(values.get((name, task)), best[task]) for task in tasks]
        # Means over different tasks must not stand below each other.
        whole = [group for group in groups.values() if {score.task for score in own}.issuperset(group)]
        means = [f"{_mean(values, name, group):.1%}" if group in whole else "–" for group in groups.values()]
        weighted = f"{weighted_average(own):.1%}" if len(own) == len(tasks) else "–"
        rows.append([label(own[0]), _kbps(own[0]), *cells, *means, weighted])
    return table(["embedder", "kbps", *(task.replace("_", " ") for task in tasks), *groups, "weighted"], rows)


def _mean(values: dict[tuple[str, str], Score], name: str, tasks: Sequence[str]) -> float:
    return float(np.mean([values[name, task].value for task in tasks if (name, task) in values]))


def _failures(failures: Sequence[Failure]) -> Iterable[str]:
    if failures:
        yield "## Not scored"
        yield table(["task", "embedder", "why"], [[f.task, f.embedder, f.reason.replace("|", "/")] for f in failures])


def _published() -> str:
    """Not measured here."""
    teams = {entry.team: entry for entry in LEADERBOARD if entry.head == "mlp"}
    knn = {entry.team: entry for entry in LEADERBOARD if entry.head == "knn"}
    rows = [
        [f"{team} ({a.organisation})", f"{a.average:.3f}", f"{a.recomputed:.3f}", f"{b.average:.3f}", f"{b.recomputed:.3f}"]
        for team, a in sorted(teams.items(), key=lambda item: -item[1].average)
        for b in [knn[team]]
    ]
    base = [
        [b.encoder, f"{b.public_mlp:.3f}", f"{b.public_knn:.3f}", f"{b.all_mlp:.3f}", f"{b.all_knn:.3f}"] for b in BASELINES
    ]
    public = sum(task.public for task in BY_NAME.values())
    return "\n\n".join(
        [
            "## Published figures",
            "Not measured here, on other tasks than ours above, and not comparable with them. ICME 2025 Audio Encoder "
            f"Capability Challenge, {len(BY_NAME)} tasks of which {public} are public; *recomputed* is the weighted average "
            "of the published scores of single tasks.",
            table(["team", "track A", "recomputed", "track B", "recomputed"], rows),
            "Baselines in the README of X-ARES:",
            table(["encoder", "public tasks, MLP", "public, k-NN", "all, MLP", "all, k-NN"], base),
        ]
    )


def _sorted(paths: Sequence[Path]) -> tuple[list[dict[str, Any]], list[Path]]:
    """Reports of ``codec probe lm``, and the other files."""
    modelled, scored = [], []
    for path in paths:
        try:
            raw = json.loads(path.read_text("utf-8-sig"))
        except OSError as error:
            raise CodecError(f"{path}: {error.strerror}") from error
        except ValueError as error:
            raise CodecError(f"{path}: not JSON ({error})") from error
        if isinstance(raw, dict) and {"modelled", "labelled", "about"} <= raw.keys():
            modelled.append(raw)
        else:
            scored.append(path)
    return modelled, scored


def _kbps(score: Score) -> str:
    return "–" if score.bitrate is None else f"{score.bitrate / 1000:.2f}"


def _cell(score: Score | None, best: float) -> str:
    if score is None:
        return "–"
    text = f"{score.value:.1%}"
    return f"**{text}**" if score.value == best and score.embedder != MAJORITY else text
