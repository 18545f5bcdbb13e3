"""``codec eval listen analyse``: ratings → report, plot and tables."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codec.atomic import atomic_path, atomic_write
from codec.errors import CodecError
from eval.colours import GREY, colour_of, marker_of
from eval.dark_mode import write_svg
from eval.listening.results import BOUNDS, Participation, Rating, Results, collect
from eval.listening.screening import Expertise, Screening, screen, screen_experts
from eval.listening.statistics import ALL, Comparison, Effect, Mean, compare, means, mixed_model, prefer, told_apart
from eval.listening.study import REFERENCE, Study, load_study
from eval.markdown import table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SCALES = {
    "mushra": (0, 100, "MUSHRA score"),
    "ab": (0, 1, "share of preferences"),
    "acr": (1, 5, "opinion score (MOS)"),
    "bs1116": (1, 5, "grade"),
    "abx": (0, 1, "share of right answers"),
}
SHARES = ("ab", "abx")
"""Modes whose comparisons are shares of votes, not differences of scores."""


@dataclass(frozen=True)
class Analysis:
    """All that is said about a study.

    Attributes:
        study: what was heard.
        results: what was rated, by everybody.
        screening: verdicts; empty for tests that have no hidden reference beside the others.
        kept: ratings after screening.
        means: by condition and domain.
        comparisons: those that were chosen, by default of every two codecs.
        effects: of the mixed model.
        model_note: why there is no mixed model, if there is none.
    """

    study: Study
    results: Results
    screening: tuple[Screening | Expertise, ...]
    kept: tuple[Rating, ...]
    means: tuple[Mean, ...]
    comparisons: tuple[Comparison, ...]
    effects: tuple[Effect, ...]
    model_note: str


def analyse(folder: Path, chosen: Sequence[tuple[str, str]] = ()) -> Analysis:
    """Reads, screens and counts. Where screening leaves nobody there are no figures, but verdicts and all ratings.

    Args:
        folder: of the study.
        chosen: conditions to compare; their p-values are corrected for each other. Default: every two codecs.

    Raises:
        CodecError: no study, no ratings, no such condition, or two that nobody has rated together.
    """
    study = load_study(folder)
    names = [condition.name for condition in study.conditions]
    for name in (name for pair in chosen for name in pair if name not in names):
        raise CodecError(f"no condition {name!r} in this study; it has {', '.join(names)}")
    results = collect(study, folder)
    verdicts = _screened(study, results.ratings)
    left_out = {verdict.rater for verdict in verdicts if not verdict.kept}
    left_out |= {person.rater for person in results.raters if not person.attentive}
    kept = tuple(rating for rating in results.ratings if rating.rater not in left_out)
    comparisons = _compared(study, kept, chosen)
    found = {(comparison.first, comparison.second) for comparison in comparisons}
    for first, second in (pair for pair in chosen if kept and pair not in found):
        where = "in one trial" if study.mode in ("ab", "bs1116") else "on one clip"
        raise CodecError(f"{first} and {second} cannot be compared: nobody who counts has rated both {where}")
    effects: list[Effect] = []
    note = ""
    if study.mode not in SHARES:
        try:
            effects = mixed_model(kept, REFERENCE)
        except CodecError as error:
            note = str(error)
    table = tuple(means(kept, names, study.domains, BOUNDS[study.mode]))
    return Analysis(study, results, verdicts, kept, table, tuple(comparisons), tuple(effects), note)


def _screened(study: Study, ratings: Sequence[Rating]) -> tuple[Screening | Expertise, ...]:
    if study.mode == "mushra":
        return tuple(screen(ratings))
    return tuple(screen_experts(ratings)) if study.mode == "bs1116" else ()


def _compared(study: Study, kept: Sequence[Rating], chosen: Sequence[tuple[str, str]]) -> list[Comparison]:
    codecs = [c.name for c in study.conditions if c.kind == "codec"]
    if study.mode == "abx":
        if chosen:
            raise CodecError("ABX compares every codec with guessing, and nothing else")
        return told_apart(kept, codecs)
    if study.mode == "bs1116":
        return compare(kept, chosen or [(codec, REFERENCE) for codec in codecs], "trial")
    pairs = chosen or list(combinations(codecs, 2))
    return prefer(kept, pairs) if study.mode == "ab" else compare(kept, pairs)


def write_analysis(analysis: Analysis, folder: Path, parquet: bool = False) -> list[Path]:
    """Writes all ratings and ``report.md``; of those who are kept ``plot.svg``, ``means.csv`` and ``comparisons.csv``."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = {rating.rater for rating in analysis.kept}
    rows = [{**asdict(rating), "kept": rating.rater in kept} for rating in analysis.results.ratings]
    ratings = folder / ("ratings.parquet" if parquet else "ratings.csv")
    if parquet:
        _write_parquet(rows, ratings)
    else:
        _write_csv(rows, ratings)
    written = [folder / "report.md"]
    said = [(p.rater, clip, comment) for p in analysis.results.raters for clip, comment in p.comments]
    if analysis.study.briefing.questions:
        asked = [question.id for question in analysis.study.briefing.questions]
        people = [{"rater": p.rater, **{name: p.answers.get(name, "") for name in asked}} for p in analysis.results.raters]
        _write_csv(people, folder / "answers.csv")
        written.append(folder / "answers.csv")
    if said:
        _write_csv([dict(zip(("rater", "clip", "comment"), row, strict=True)) for row in said], folder / "comments.csv")
        written.append(folder / "comments.csv")
    with atomic_write(folder / "report.md") as handle:
        handle.write(report(analysis).encode())
    if analysis.kept:
        write_svg(plot(analysis), folder / "plot.svg")
        _write_csv([asdict(mean) for mean in analysis.means], folder / "means.csv")
        _write_csv([asdict(comparison) for comparison in analysis.comparisons], folder / "comparisons.csv")
        written += [folder / "plot.svg", folder / "means.csv", folder / "comparisons.csv"]
    return [*written, ratings]


def _write_csv(rows: list[dict[str, Any]], path: Path) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else [f.name for f in fields(Comparison)], lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _safe_cell(value) for key, value in row.items()} for row in rows)
    with atomic_write(path) as handle:
        handle.write(text.getvalue().encode())


def _safe_cell(value: object) -> object:
    """Names come from strangers: a spreadsheet must not take them for formulas."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t")) else value


def _write_parquet(rows: list[dict[str, Any]], path: Path) -> None:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise CodecError("Parquet needs pyarrow: pip install 'semcodec[stats]'") from error
    with atomic_path(path) as temporary:
        parquet.write_table(pyarrow.Table.from_pylist(rows), temporary)


def plot(analysis: Analysis) -> Figure:
    """Means with 95 % intervals, one panel for each domain below the other, so that a phone can show them.

    Raises:
        CodecError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise CodecError("plots need matplotlib: pip install 'semcodec[plot]'") from error
    domains = list(dict.fromkeys(mean.domain for mean in analysis.means))
    names = [c.name for c in analysis.study.conditions if any(m.condition == c.name for m in analysis.means)]
    low, high, label = SCALES[analysis.study.mode]
    figure = Figure(figsize=(5.2, 0.7 + (0.8 + 0.3 * len(names)) * len(domains)), layout="constrained")
    axes = figure.subplots(len(domains), 1, sharex=True, squeeze=False)[:, 0]
    for axis, domain in zip(axes, domains, strict=True):
        for mean in (m for m in analysis.means if m.domain == domain):
            kind = analysis.study.condition(mean.condition).kind
            colour = colour_of(mean.condition) if kind == "codec" else GREY
            marker = marker_of(mean.condition) if kind == "codec" else "x"
            row = names.index(mean.condition)
            narrow, wide = (
                [[mean.mean - start], [end - mean.mean]] if start == start else None
                for start, end in ((mean.low, mean.high), (mean.low_raters, mean.high_raters))
            )
            axis.errorbar(mean.mean, row, xerr=wide, fmt="none", ecolor=colour, alpha=0.35, elinewidth=5)
            axis.errorbar(mean.mean, row, xerr=narrow, fmt=marker, color=colour, capsize=3, markersize=6)
        axis.set_title("all domains" if domain == ALL else domain, fontsize=10)
        axis.set_xlim(low - 0.03 * (high - low), high + 0.03 * (high - low))
        axis.set_ylim(len(names) - 0.5, -0.5)
        axis.grid(axis="x", color="#dddddd", linewidth=0.8)
        axis.set_axisbelow(True)
        axis.spines[["top", "right", "left"]].set_visible(False)
        axis.tick_params(length=0)
        axis.set_yticks(range(len(names)), names)
    figure.supxlabel(f"{label}, mean and 95 % interval over ratings; pale: over raters", fontsize=9)
    return figure


def report(analysis: Analysis) -> str:
    """Everything in words and tables, as Markdown."""
    study = analysis.study
    finished = sum(p.finished == p.planned for p in analysis.results.raters)
    out = [
        f"# {_plain(study.title)}",
        "",
        f"{_METHODS[study.mode]}. {len(study.trials)} trials over {', '.join(study.domains)}; "
        f"seed {study.seed}; made {study.made}.",
        f"{len(analysis.results.raters)} raters joined, {finished} finished; "
        f"{len({r.rater for r in analysis.kept})} are in the figures below, with {len(analysis.kept)} ratings.",
        "Of raters who stopped half-way the finished trials count.",
        "",
        *(_figures(analysis) if analysis.kept else [_NOBODY, ""]),
    ]
    if study.mode not in SHARES and analysis.kept:
        out += ["## Mixed model", "", *_effects_table(analysis), ""]
    out += ["## Raters", "", *_raters_table(analysis), ""]
    notes = (*study.notes, *analysis.results.notes)
    if notes:
        out += ["## Notes", "", *(f"- {_plain(note)}" for note in notes), ""]
    return "\n".join(out)


def _figures(analysis: Analysis) -> list[str]:
    return [
        *("![means with 95 % intervals](plot.svg)", "", "## Means", "", _means_table(analysis), ""),
        "Mean, its 95 % interval over ratings (Student's t, as in BS.1534-3), then that over raters, both cut at the ends of",
        "the scale. The first takes all ratings as independent; the second takes every rater as one observation, and says",
        "what to expect of other raters.",
        *("", "## Comparisons", "", *_comparison_table(analysis), ""),
    ]


_NOBODY = "**Screening left nobody**, so that there are no figures. All ratings are in the table of ratings."
_METHODS = {
    "mushra": "MUSHRA (ITU-R BS.1534-3) with hidden reference, 3.5 kHz and 7 kHz anchors",
    "ab": "Preference of two, beside the reference",
    "acr": "Absolute category rating (ITU-T P.800)",
    "bs1116": "Small impairments (ITU-R BS.1116-3): triple stimulus with hidden reference",
    "abx": "ABX: is X the original (A) or the codec (B)",
}


_RULES = {
    "mushra": "Left out by BS.1534-3: hidden reference below 90, or 7 kHz anchor above 90, in more than 15 % of the trials.",
    "bs1116": "Left out by BS.1116-3: difference grades not significantly below 0 (one-sided t-test over the trials, 5 %).",
}


def _means_table(analysis: Analysis) -> str:
    domains = list(dict.fromkeys(mean.domain for mean in analysis.means))
    cells = {
        (m.condition, m.domain): f"{m.mean:.2f} ({_span(m.low, m.high)}), ({_span(m.low_raters, m.high_raters)})"
        for m in analysis.means
    }
    rows = [
        [c.name, f"{c.kbps:.2f}" if c.kbps else "–", *(cells.get((c.name, domain), "–") for domain in domains)]
        for c in analysis.study.conditions
    ]
    return table(["condition", "kbps", *domains], rows)


def _span(low: float, high: float) -> str:
    return f"{low:.2f} … {high:.2f}" if low == low else "–"


def p_value(p: float) -> str:
    """A p-value as journals print it.

    Example:
        >>> p_value(0.0312), p_value(0.00004)
        ('0.031', '< 0.001')
    """
    return f"{p:.3f}" if p >= 0.001 else "< 0.001"


def _comparison_table(analysis: Analysis) -> list[str]:
    mode = analysis.study.mode
    ab = mode in SHARES
    told = {"ab": "prefer first", "abx": "right", "bs1116": "difference grade"}.get(mode, "difference")
    head = ["first", "second", told, "pairs", "p", "p (Holm)"]
    rows = [
        [c.first, c.second, f"{c.difference:.0%}" if ab else f"{c.difference:+.2f}", str(c.n), p_value(c.p), p_value(c.p_holm)]
        for c in analysis.comparisons
    ]
    test = {
        "ab": "Sign test, ties left out",
        "abx": "One-sided binomial test",
        "bs1116": "Wilcoxon signed-rank test over trials, codec minus hidden reference",
    }.get(mode, "Wilcoxon signed-rank test over pairs of one rater and clip")
    return [table(head, rows), "", f"{test}; p (Holm) is corrected for the {len(rows)} comparisons of this table."]


def _effects_table(analysis: Analysis) -> list[str]:
    if not analysis.effects:
        return [f"None: {_plain(analysis.model_note)}."]
    rows = [[e.condition, f"{e.difference:+.2f}", f"{e.low:+.2f} … {e.high:+.2f}", p_value(e.p)] for e in analysis.effects]
    shown = table(["condition", "difference from the reference", "95 % interval", "p"], rows)
    return [shown, "", "Random intercepts for raters and for clips within raters."]


def _raters_table(analysis: Analysis) -> list[str]:
    verdicts = {verdict.rater: verdict for verdict in analysis.screening}

    def row(person: Participation) -> list[str]:
        verdict = verdicts.get(person.rater)
        said = "kept" if verdict is None or verdict.kept else f"left out: {verdict.reason}"
        if not person.attentive:
            said = f"left out: {person.checks[0]} of {person.checks[1]} checks of attention passed"
        said = said if person.finished else "finished no trial"
        return [_plain(person.rater), f"{person.finished}/{person.planned}", person.headphones or "–", said]

    rule = _RULES.get(analysis.study.mode, "No screening: this kind of test has no hidden reference beside the sounds.")
    rows = [row(person) for person in analysis.results.raters]
    return [table(["rater", "trials", "headphones", "screening"], rows), "", rule]


def _plain(text: str) -> str:
    """Names and titles come from strangers: they must not become markup."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>|#!" else c for c in text.replace("\n", " "))
