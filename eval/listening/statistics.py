"""Means with intervals, paired tests, preferences, and a mixed model of ratings."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from codec.errors import CodecError
from eval.listening.results import Rating

GUESSING = "guessing"
ALL = "all"
"""Over the domains."""


@dataclass(frozen=True)
class Mean:
    """The mean rating of a condition.

    Attributes:
        condition: its name.
        domain: speech, music, sound, or `ALL`.
        mean: of all ratings.
        margin: half of the 95 % interval by Student's t (BS.1534-3), as if all ratings were independent; NaN for one rating.
        margin_raters: the same if other raters were asked: ratings of one rater go together; NaN for a single rater.
        median: of all ratings.
        n: ratings.
        low, high: the interval by ``margin``, cut at the ends of the scale.
        low_raters, high_raters: that by ``margin_raters``.
    """

    condition: str
    domain: str
    mean: float
    margin: float
    margin_raters: float
    median: float
    n: int
    low: float
    high: float
    low_raters: float
    high_raters: float


@dataclass(frozen=True)
class Comparison:
    """A comparison of two conditions, over the trials in which the same rater heard the same clip in both.

    Attributes:
        first, second: conditions.
        difference: mean of first − second; in preference tests the share that prefers first, ties counting half.
        p: of the test, two-sided.
        p_holm: corrected for all comparisons of the table (Holm).
        n: pairs.
    """

    first: str
    second: str
    difference: float
    p: float
    p_holm: float
    n: int


@dataclass(frozen=True)
class Effect:
    """The effect of a condition in the mixed model.

    Attributes:
        condition: its name.
        difference: from the base condition.
        low, high: 95 % interval.
        p: two-sided.
    """

    condition: str
    difference: float
    low: float
    high: float
    p: float


def means(
    ratings: Sequence[Rating], conditions: Sequence[str], domains: Sequence[str], scale: tuple[float, float]
) -> list[Mean]:
    """The mean of every condition in every domain, then over all domains if there are several."""
    from scipy import stats

    table = []
    for domain in (*domains, *([ALL] if len(domains) > 1 else [])):
        for condition in conditions:
            heard = [r for r in ratings if r.condition == condition and domain in (r.domain, ALL)]
            if not heard:
                continue
            scores, n = np.array([r.score for r in heard]), len(heard)
            margin = float(stats.t.ppf(0.975, n - 1) * scores.std(ddof=1) / math.sqrt(n)) if n > 1 else math.nan
            apart = _margin_raters(scores, [r.rater for r in heard])
            mean = float(scores.mean())
            ends = (end for half in (margin, apart) for end in _on_scale(mean, half, scale))
            table.append(Mean(condition, domain, mean, margin, apart, float(np.median(scores)), n, *ends))
    return table


def _on_scale(mean: float, margin: float, scale: tuple[float, float]) -> tuple[float, float]:
    if math.isnan(margin):
        return math.nan, math.nan
    return max(scale[0], mean - margin), min(scale[1], mean + margin)


def _margin_raters(scores: np.ndarray, raters: Sequence[str]) -> float:
    """Half of a 95 % interval that takes each rater as one observation.

    The variance of a mean over clusters of unequal size, by linearisation; where everybody rated equally often it is that of
    the raters' means.
    """
    from scipy import stats

    names, index = np.unique(raters, return_inverse=True)
    count = len(names)
    if count < 2:
        return math.nan
    sums = np.bincount(index, scores - scores.mean())
    error = math.sqrt(count / (count - 1) * float(np.square(sums).sum())) / len(scores)
    return float(stats.t.ppf(0.975, count - 1)) * error


def pairs(ratings: Iterable[Rating], key: str = "clip") -> dict[tuple[str, str], dict[str, float]]:
    """Scores by condition of every rater and clip (or trial)."""
    found: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    for rating in ratings:
        found[rating.rater, getattr(rating, key)][rating.condition] = rating.score
    return found


def compare(ratings: Sequence[Rating], chosen: Sequence[tuple[str, str]], key: str = "clip") -> list[Comparison]:
    """Wilcoxon signed-rank test of these pairs of conditions, corrected by Holm.

    Pairs are a rater's scores of one clip (or trial). Those of one rater are not independent of each other; the mixed model
    is the one that knows.
    """
    from scipy import stats

    together = pairs(ratings, key).values()
    rows = []
    for first, second in chosen:
        differences = np.array([scores[first] - scores[second] for scores in together if first in scores and second in scores])
        if not len(differences):
            continue
        p = float(stats.wilcoxon(differences).pvalue) if differences.any() else 1.0
        rows.append((first, second, float(differences.mean()), p, len(differences)))
    return _corrected(rows)


def prefer(ratings: Sequence[Rating], chosen: Sequence[tuple[str, str]]) -> list[Comparison]:
    """Share of preferences of these pairs of conditions, and the sign test, which leaves ties out; corrected by Holm."""
    from scipy import stats

    together = pairs(ratings, "trial").values()
    rows = []
    for first, second in chosen:
        scores = [votes[first] for votes in together if votes.keys() == {first, second}]
        decided = [score for score in scores if score != 0.5]
        if not scores:
            continue
        p = float(stats.binomtest(sum(s == 1 for s in decided), len(decided)).pvalue) if decided else 1.0
        rows.append((first, second, float(np.mean(scores)), p, len(scores)))
    return _corrected(rows)


def told_apart(ratings: Sequence[Rating], codecs: Sequence[str]) -> list[Comparison]:
    """Share of right answers of ABX, and the one-sided binomial test against guessing; corrected by Holm."""
    from scipy import stats

    rows = []
    for codec in codecs:
        answers = [rating.score for rating in ratings if rating.condition == codec]
        if answers:
            p = float(stats.binomtest(round(sum(answers)), len(answers), alternative="greater").pvalue)
            rows.append((codec, GUESSING, float(np.mean(answers)), p, len(answers)))
    return _corrected(rows)


def _corrected(rows: Sequence[tuple[str, str, float, float, int]]) -> list[Comparison]:
    corrected = holm([row[3] for row in rows])
    return [Comparison(a, b, d, p, q, n) for (a, b, d, p, n), q in zip(rows, corrected, strict=True)]


def holm(values: Sequence[float]) -> list[float]:
    """p-values corrected for their number by Holm's step-down method.

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    corrected = [0.0] * len(values)
    highest = 0.0
    for rank, index in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        highest = max(highest, min(1.0, (len(values) - rank) * values[index]))
        corrected[index] = highest
    return corrected


def mixed_model(ratings: Sequence[Rating], base: str) -> list[Effect]:
    """Differences from a base condition, with random intercepts for raters and for clips within raters.

    Raises:
        CodecError: statsmodels is not installed, or there are too few ratings.
    """
    try:
        import pandas
        import statsmodels.formula.api as smf
    except ImportError as error:
        raise CodecError(f"the mixed model needs {error.name}: pip install 'semcodec[stats]'") from error
    import warnings

    rows = [(r.rater, r.clip, r.condition, r.score) for r in ratings]
    frame = pandas.DataFrame(rows, columns=["rater", "clip", "condition", "score"])
    others = sorted(set(frame["condition"]) - {base})
    if frame["rater"].nunique() < 2 or base not in set(frame["condition"]) or not others:
        raise CodecError("the mixed model needs at least two raters and two conditions")
    table = frame.pivot_table(index=["rater", "clip"], columns="condition", values="score")
    if not table.sub(table.mean(axis=1), axis=0).std().max() > 1e-9:
        raise CodecError("the mixed model has no solution (differences between conditions never vary)")
    frame["condition"] = pandas.Categorical(frame["condition"], [base, *others])
    several = frame.groupby("rater")["clip"].nunique().max() > 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of variances at zero, which are an answer
        try:
            # Sparse, or the paper's 105 clips with 30 raters take minutes instead of seconds.
            clips = {"vc_formula": {"clip": "0 + C(clip)"}, "use_sparse": True} if several else {}
            fit = smf.mixedlm("score ~ condition", frame, groups="rater", **clips).fit()
        except (np.linalg.LinAlgError, ValueError, RuntimeError) as error:
            raise CodecError(f"the mixed model has no solution ({error})") from error
    interval = fit.conf_int()
    names = {name: f"condition[T.{name}]" for name in others}
    return [
        Effect(name, float(fit.params[row]), float(interval.loc[row, 0]), float(interval.loc[row, 1]), float(fit.pvalues[row]))
        for name, row in names.items()
    ]
