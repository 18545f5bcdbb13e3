"""Post-screening of raters: of MUSHRA by BS.1534-3, section 4.1.2, of small impairments as BS.1116-3 tests expertise.

From a MUSHRA test a rater is left out who scored the hidden reference below 90 in more than 15 % of the trials, or the
mid-range anchor above 90 in more than 15 % of them. A clip on which more than a quarter of all raters put that anchor above
90 was not degraded by it, and does not count against anyone. From a BS.1116 test a rater is left out whose difference grades
(codec minus hidden reference) are not significantly below zero, which says that this rater could not tell one from the other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from eval.listening.results import Rating
from eval.listening.study import MID_ANCHOR, REFERENCE

LIMIT = 90.0
SHARE = 0.15
CLIP_SHARE = 0.25
SIGNIFICANCE = 0.05


@dataclass(frozen=True)
class Screening:
    """The verdict on one rater.

    Attributes:
        rater: name.
        reference_low: share of trials with the hidden reference below 90.
        anchor_high: share of counting trials with the 7 kHz anchor above 90.
        kept: whether the ratings are used.
    """

    rater: str
    reference_low: float
    anchor_high: float

    @property
    def kept(self) -> bool:
        return self.reference_low <= SHARE and self.anchor_high <= SHARE

    @property
    def reason(self) -> str:
        """Why a rater is left out; empty for the others."""
        reasons = []
        if self.reference_low > SHARE:
            reasons.append(f"hidden reference below {LIMIT:g} in {self.reference_low:.0%} of the trials")
        if self.anchor_high > SHARE:
            reasons.append(f"7 kHz anchor above {LIMIT:g} in {self.anchor_high:.0%}")
        return ", ".join(reasons)


def screen(ratings: Iterable[Rating]) -> list[Screening]:
    """Verdicts in the order in which raters first appear.

    Example:
        >>> good = [Rating("a", "t", "c", "sound", REFERENCE, 100, 1), Rating("a", "t", "c", "sound", MID_ANCHOR, 60, 1)]
        >>> screen(good)[0].kept
        True
    """
    low: dict[str, list[bool]] = defaultdict(list)
    high: dict[str, dict[str, bool]] = defaultdict(dict)
    by_clip: dict[str, list[bool]] = defaultdict(list)
    for rating in ratings:
        low[rating.rater]  # everybody gets a verdict
        if rating.condition == REFERENCE:
            low[rating.rater].append(rating.score < LIMIT)
        elif rating.condition == MID_ANCHOR:
            high[rating.rater][rating.clip] = rating.score > LIMIT
            by_clip[rating.clip].append(rating.score > LIMIT)
    counting = {clip for clip, above in by_clip.items() if _share(above) <= CLIP_SHARE}
    return [
        Screening(rater, _share(below), _share([above for clip, above in high[rater].items() if clip in counting]))
        for rater, below in low.items()
    ]


@dataclass(frozen=True)
class Expertise:
    """The verdict on one rater of small impairments.

    Attributes:
        rater: name.
        difference: mean difference grade over the trials.
        trials: that were finished.
        p: one-sided, of Student's t over the trials: that grades so low come from a rater who hears no difference.
    """

    rater: str
    difference: float
    trials: int
    p: float

    @property
    def kept(self) -> bool:
        return self.p < SIGNIFICANCE

    @property
    def reason(self) -> str:
        """Why a rater is left out; empty for the others."""
        if self.kept:
            return ""
        if self.trials < 2:
            return "one trial does not tell whether differences are heard"
        mean = f"mean difference grade {self.difference:+.2f} over {self.trials} trials"
        return f"{mean}, not significantly below 0 (p = {self.p:.2f})"


def screen_experts(ratings: Iterable[Rating]) -> list[Expertise]:
    """Verdicts in the order in which raters first appear.

    Example:
        >>> heard = [Rating("a", f"t{n}", "c", "sound", name, g, 1) for n in "123" for name, g in ((REFERENCE, 5), ("x", 4))]
        >>> screen_experts(heard)[0].kept
        True
    """
    trials: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for rating in ratings:
        trials[rating.rater][rating.trial] += -rating.score if rating.condition == REFERENCE else rating.score
    return [_expertise(rater, list(grades.values())) for rater, grades in trials.items()]


def _expertise(rater: str, grades: list[float]) -> Expertise:
    from scipy import stats

    mean = sum(grades) / len(grades)
    if len(grades) < 2:
        p = 1.0
    elif max(grades) == min(grades):
        p = 0.0 if mean < 0 else 1.0  # no spread: the test has no value there
    else:
        p = float(stats.ttest_1samp(grades, 0.0, alternative="less").pvalue)
    return Expertise(rater, mean, len(grades), p)


def _share(flags: list[bool]) -> float:
    return sum(flags) / len(flags) if flags else 0.0
