"""Simulated raters with known effects, among them some careless ones."""

import csv
import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from codec.errors import CodecError
from eval.colours import GREY, colour_of, marker_of
from eval.listening.analyse import Analysis, analyse, plot, report, write_analysis
from eval.listening.results import Rating, collect
from eval.listening.screening import screen
from eval.listening.statistics import compare, holm, means, mixed_model, prefer
from eval.listening.store import Store
from eval.listening.study import LOW_ANCHOR, MID_ANCHOR, REFERENCE, load_study

TRUE = {"a": 60.0, "b": 60.0, "c": 48.0, LOW_ANCHOR: 25.0, MID_ANCHOR: 55.0}
CLIPS = [f"clip {i}" for i in range(20)]


def simulated(raters: int = 16, seed: int = 0) -> list[Rating]:
    """Score = condition + rater + clip + noise; the reference near 100."""
    rng = np.random.default_rng(seed)
    shifts, clips = rng.normal(0, 5, raters), rng.normal(0, 6, len(CLIPS))
    ratings = []
    for rater, (number, clip) in itertools.product(range(raters), enumerate(CLIPS)):
        for condition, value in TRUE.items():
            score = float(np.clip(value + shifts[rater] + clips[number] + rng.normal(0, 7), 0, 100))
            ratings.append(Rating(f"rater {rater}", clip, clip, "speech" if number % 2 else "music", condition, score, 20.0))
        ratings.append(
            Rating(
                f"rater {rater}", clip, clip, "speech" if number % 2 else "music", REFERENCE, float(rng.integers(95, 101)), 20.0
            )
        )
    return ratings


def spoilt(ratings: list[Rating], rater: str, condition: str, score: float, trials: int) -> list[Rating]:
    """One rater's scores of a condition replaced in the first so many trials."""
    chosen = set(CLIPS[:trials])
    return [
        replace(r, score=score) if r.rater == rater and r.condition == condition and r.clip in chosen else r for r in ratings
    ]


def test_known_effects_are_found() -> None:
    ratings = simulated()
    table = {(m.condition, m.domain): m for m in means(ratings, [*TRUE], ["speech", "music"], (0, 100))}
    for condition in TRUE:
        own = [r.score for r in ratings if r.condition == condition]
        low, high = stats.t.interval(0.95, len(own) - 1, np.mean(own), stats.sem(own))
        found = table[condition, "all"]
        assert (found.mean - found.margin, found.mean + found.margin) == pytest.approx((low, high))
        assert found.n == 16 * 20
        of_raters = [
            np.mean([r.score for r in ratings if (r.rater, r.condition) == (f"rater {i}", condition)]) for i in range(16)
        ]
        low, high = stats.t.interval(0.95, 15, np.mean(of_raters), stats.sem(of_raters))
        assert (found.mean - found.margin_raters, found.mean + found.margin_raters) == pytest.approx((low, high))
    comparisons = {(c.first, c.second): c for c in compare(ratings, [*itertools.combinations("abc", 2)])}
    assert comparisons["a", "b"].p_holm > 0.05  # equal by construction
    for pair in (("a", "c"), ("b", "c")):
        assert comparisons[pair].p_holm < 1e-6
        assert comparisons[pair].difference == pytest.approx(12, abs=2)
    effects = {e.condition: e for e in mixed_model(ratings, "b")}
    within = [np.mean([r.score for r in ratings if r.condition == condition]) for condition in "ab"]
    assert effects["a"].difference == pytest.approx(within[0] - within[1])  # as it is where everybody rated everything
    assert effects["a"].low < 0 < effects["a"].high
    assert effects["c"].low < -12 < effects["c"].high
    assert effects[LOW_ANCHOR].low < -35 < effects[LOW_ANCHOR].high


def test_no_effect_is_rarely_found() -> None:
    """Of two equal codecs the test says so in about 95 % of studies; more than 8 of 60 wrong are 1 in 400."""
    found = [compare([r for r in simulated(4, seed) if r.condition in "ab"], [("a", "b")])[0].p < 0.05 for seed in range(60)]
    assert sum(found) <= 8


def test_interval_over_raters_holds_the_truth_and_that_over_ratings_does_not() -> None:
    """Raters who differ by more than their ratings do, and some who stopped early: of 300 studies 95 % should hold it."""
    rng = np.random.default_rng(0)
    hits = np.zeros(2)
    for _ in range(300):
        ratings = [
            Rating(f"rater {i}", f"{k}", f"{k}", "sound", "a", 60 + shift + rng.normal(0, 5), 1.0)
            for i, shift in enumerate(rng.normal(0, 10, 12))
            for k in range(20 if i < 8 else 10)
        ]
        (mean,) = means(ratings, ["a"], ["sound"], (0, 100))
        hits += [abs(mean.mean - 60) <= margin for margin in (mean.margin_raters, mean.margin)]
    assert 0.91 <= hits[0] / 300 <= 0.985
    assert hits[1] / 300 < 0.6
    (alone,) = means(ratings[:20], ["a"], ["sound"], (0, 100))
    assert np.isnan(alone.margin_raters)
    assert alone.margin > 0


def test_screening_removes_the_careless_and_no_one_else() -> None:
    ratings = simulated()
    rng = np.random.default_rng(1)
    ratings = [replace(r, score=float(rng.uniform(0, 100))) if r.rater == "rater 3" else r for r in ratings]  # guesses
    ratings = spoilt(ratings, "rater 5", REFERENCE, 89.0, 4)  # 20 %
    ratings = spoilt(ratings, "rater 7", MID_ANCHOR, 91.0, 4)
    ratings = spoilt(ratings, "rater 9", REFERENCE, 0.0, 3)  # 15 % is allowed
    ratings = spoilt(ratings, "rater 11", REFERENCE, 90.0, 20)  # so is 90
    ratings = spoilt(ratings, "rater 11", MID_ANCHOR, 90.0, 20)
    verdicts = screen(ratings)
    assert {v.rater for v in verdicts if not v.kept} == {"rater 3", "rater 5", "rater 7"}
    assert "20% of the trials" in next(v.reason for v in verdicts if v.rater == "rater 5")


def test_a_clip_that_the_anchor_does_not_harm_counts_against_no_one() -> None:
    ratings = simulated()
    for rater in range(8):  # half of all raters, on the same four clips
        ratings = spoilt(ratings, f"rater {rater}", MID_ANCHOR, 95.0, 4)
    assert all(v.kept for v in screen(ratings))


def test_holm_agrees_with_statsmodels() -> None:
    rng = np.random.default_rng(0)
    for size in (1, 2, 3, 10, 36):
        values = (rng.random(size) ** 3).round(2).tolist()  # some of them equal
        assert holm(values) == pytest.approx(list(multipletests(values, method="holm")[1]))


def test_preferences() -> None:
    votes = [1.0] * 14 + [0.0] * 4 + [0.5] * 2
    ratings = [
        Rating(f"r{i}", f"t{i}", "c", "sound", name, score, 1.0)
        for i, vote in enumerate(votes)
        for name, score in (("x", vote), ("y", 1 - vote))
    ]
    (found,) = prefer(ratings, [("x", "y"), ("y", "z")])
    assert found.difference == pytest.approx(15 / 20)
    assert found.p == pytest.approx(stats.binomtest(14, 18).pvalue)
    tied = [replace(r, score=0.5) for r in ratings]
    assert prefer(tied, [("x", "y")])[0].p == 1.0


def test_equal_scores_are_no_difference() -> None:
    ratings = [Rating("r", c, c, "sound", name, 50.0, 1.0) for c in CLIPS for name in "ab"]
    assert compare(ratings, [("a", "b")])[0].p == 1.0
    with pytest.raises(CodecError, match="two raters"):
        mixed_model(ratings, "a")


def fill(folder: Path, raters: int = 5, unfinished: int = 0, scores: dict[str, float] | None = None, spread: int = 5) -> None:
    """Raters in the database; the last ones stop after their first trial and one more rating."""
    study = load_study(folder)
    store = Store(folder)
    rng = np.random.default_rng(0)
    for number in range(raters):
        rater = store.join(f"=rater|{number}", f"{number:032x}")
        for index, trial in enumerate(study.plan(rater.index)):
            if index == 1 and number >= raters - unfinished:
                store.rate(rater, trial.id, {trial.stimuli[0].id: 1.0}, 1)
                break
            given = {s.id: (scores or {}).get(s.condition, 50.0) + float(rng.integers(0, spread)) for s in trial.stimuli}
            given = {name: min(score, 100.0) for name, score in given.items()}
            store.rate(rater, trial.id, given, 1)
            store.finish(rater, trial.id, {s.id for s in trial.stimuli}, 12.5)
    store.close()


GOOD = {REFERENCE: 95.0, "fine": 80.0, "coarse": 20.0, LOW_ANCHOR: 25.0, MID_ANCHOR: 60.0}


@pytest.fixture
def analysis(new_study: Callable[..., Path]) -> Analysis:
    folder = new_study()
    fill(folder, raters=6, unfinished=2, scores=GOOD)
    return analyse(folder)


def test_half_finished_studies_count_as_far_as_they_go(analysis: Analysis) -> None:
    assert [p.finished for p in analysis.results.raters] == [3, 3, 3, 3, 1, 1]
    assert len(analysis.kept) == (4 * 3 + 2) * 5  # what was rated of unfinished trials is left out
    assert not any(r.score == 1.0 for r in analysis.kept)


def test_written_files(analysis: Analysis, tmp_path: Path) -> None:
    paths = {p.name: p for p in write_analysis(analysis, tmp_path / "out")}
    assert "prefers-color-scheme: dark" in paths["plot.svg"].read_text("utf-8")
    rows = list(csv.DictReader(paths["ratings.csv"].open()))
    assert sorted(float(r["score"]) for r in rows) == sorted(r.score for r in analysis.results.ratings)
    assert all(r["rater"].startswith("'=rater") for r in rows)  # no formula for a spreadsheet
    text = paths["report.md"].read_text()
    mean = next(m for m in analysis.means if m.condition == "fine" and m.domain == "all")
    assert f"{mean.mean:.2f} ({mean.low:.2f} … {mean.high:.2f}), ({mean.low_raters:.2f} … {mean.high_raters:.2f})" in text
    assert "| fine | coarse |" in text
    assert "| reference |" not in text.split("## Comparisons")[1].split("##")[0]  # only codecs, unless others are chosen
    assert "| < 0.001 |" in text
    assert "6 raters joined, 4 finished; 6 are in the figures" in text
    assert "=rater\\|0" in text  # no markup from strangers
    assert "Codecs & \\<friends\\>" in text
    (parquet,) = [p for p in write_analysis(analysis, tmp_path / "p", parquet=True) if p.suffix == ".parquet"]
    from pyarrow.parquet import read_table

    assert read_table(parquet)["score"].to_pylist() == [r.score for r in analysis.results.ratings]


def test_plot_shows_the_means(analysis: Analysis) -> None:
    axes = plot(analysis).axes
    assert [axis.get_title() for axis in axes] == ["speech", "music", "all domains"]
    names = [c.name for c in analysis.study.conditions]
    for axis, domain in zip(axes, ("speech", "music", "all"), strict=True):
        points = {
            names[round(line.get_ydata()[0])]: line for line in axis.lines if line.get_marker() != "|"
        }  # the ends of bars
        assert {name: line.get_xdata()[0] for name, line in points.items()} == {
            m.condition: m.mean for m in analysis.means if m.domain == domain
        }
        for name, line in points.items():
            anchor = name in (REFERENCE, LOW_ANCHOR, MID_ANCHOR)
            expected = (GREY, "x") if anchor else (colour_of(name), marker_of(name))
            assert (line.get_color(), line.get_marker()) == expected


@pytest.mark.parametrize("mode", ["ab", "acr"])
def test_other_modes(new_study: Callable[..., Path], mode: str) -> None:
    folder = new_study(mode=mode)
    study = load_study(folder)
    store = Store(folder)
    values = {"ab": {"fine": 1.0, "coarse": 0.0}, "acr": {REFERENCE: 5.0, "fine": 4.0, "coarse": 2.0}}[mode]
    for number in range(3):
        rater = store.join(f"r{number}", f"{number:032x}")
        for trial in study.plan(rater.index):
            store.rate(rater, trial.id, {s.id: values[s.condition] for s in trial.stimuli}, 1)
            store.finish(rater, trial.id, {s.id for s in trial.stimuli}, 5)
    store.close()
    analysis = analyse(folder)
    assert {m.condition: m.mean for m in analysis.means if m.domain == "all"} == values
    text = report(analysis)
    assert ("| fine | coarse | 100% | 9 |" if mode == "ab" else "| fine | coarse | +2.00 | 9 |") in text
    assert plot(analysis).axes
    assert not analysis.effects
    assert mode == "ab" or "no solution (differences between conditions never vary)" in text  # everybody says the same


def test_nothing_to_analyse(new_study: Callable[..., Path], tmp_path: Path) -> None:
    folder = new_study()
    with pytest.raises(CodecError, match="nobody has finished"):
        analyse(folder)
    fill(folder, raters=2)  # everything at 50: the hidden reference too
    nobody = analyse(folder, [("fine", "coarse")])
    assert (nobody.kept, nobody.means) == ((), ())
    written = {path.name: path for path in write_analysis(nobody, tmp_path / "out")}
    assert written.keys() == {"report.md", "ratings.csv"}
    assert len(list(csv.DictReader(written["ratings.csv"].open()))) == len(nobody.results.ratings) > 0
    assert "Screening left nobody" in written["report.md"].read_text()


def test_intervals_stay_on_the_scale_and_only_chosen_comparisons_are_corrected(new_study: Callable[..., Path]) -> None:
    ratings = [Rating(f"r{i}", c, c, "sound", "a", score, 1.0) for i, score in enumerate((100, 100, 70)) for c in CLIPS[:2]]
    (mean,) = means(ratings, ["a"], ["sound"], (0, 100))
    assert mean.mean + mean.margin_raters > 100
    assert (mean.high_raters, mean.low_raters) == (100, mean.mean - mean.margin_raters)
    folder = new_study()
    fill(folder, raters=6, scores=GOOD)
    pairs = [(REFERENCE, "fine"), ("fine", "coarse")]
    assert [(c.first, c.second) for c in analyse(folder, pairs).comparisons] == pairs
    (alone,) = analyse(folder, pairs[:1]).comparisons
    assert alone.p == alone.p_holm
    with pytest.raises(CodecError, match="no condition 'x'"):
        analyse(folder, [("x", "fine")])


def test_files_of_an_exported_page_are_checked(new_study: Callable[..., Path]) -> None:
    folder = new_study()
    study = load_study(folder)
    fill(folder, raters=1, scores=GOOD)
    plan = study.plan(7)
    good = {
        "study": study.trials[0].id, "rater": "0" * 16, "plan": 7, "name": "=rater|0", "setup": None,
        "scores": {t.id: {s.id: 50.0 for s in t.stimuli} for t in plan}, "finished": {t.id: 3.0 for t in plan[:2]},
    }  # fmt: skip
    first = plan[0].id
    bad = {
        "study": {"study": "f" * 16}, "plan": {"plan": 99_999}, "negative": {"plan": -1}, "trial": {"finished": {"x": 1.0}},
        "scores": {"scores": {}}, "range": {"scores": good["scores"] | {first: dict.fromkeys(good["scores"][first], 101.0)}},
        "type": {"scores": [1]}, "setup": {"setup": {"device": "x"}}, "name": {"name": "a\n## b"}, "rater": {"rater": "| x"},
        "check": {"setup": {"consent": True, "device": "<b>", "right": 0, "of": 0}},
    }  # fmt: skip
    (folder / "results").mkdir()
    (folder / "results" / "a good.json").write_text(json.dumps(good))
    for number, (name, change) in enumerate(bad.items(), 1):
        (folder / "results" / f"{name}.json").write_text(json.dumps({**good, "rater": f"{number:016x}", **change}))
    (folder / "results" / "bytes.json").write_bytes(b"\xff\xfe{")
    (folder / "results" / "deep.json").write_bytes(b"[" * 100_000)
    results = collect(study, folder)
    assert len(results.notes) == len(bad) + 2
    assert [(p.rater, p.finished) for p in results.raters] == [("=rater|0", 3), ("=rater|0 (0000)", 2)]


def test_of_two_files_of_a_rater_the_one_with_more_trials_counts(new_study: Callable[..., Path]) -> None:
    folder = new_study()
    study = load_study(folder)
    plan = study.plan(7)
    (folder / "results").mkdir()
    for name, trials in (("a half", 1), ("b whole", 3), ("c whole again", 3)):
        sheet = {
            "study": study.trials[0].id, "rater": "0" * 16, "plan": 7, "name": "cy", "setup": None,
            "scores": {t.id: {s.id: 50.0 for s in t.stimuli} for t in plan}, "finished": {t.id: 3.0 for t in plan[:trials]},
        }  # fmt: skip
        (folder / "results" / f"{name}.json").write_text(json.dumps(sheet))
    results = collect(study, folder)
    assert [(p.rater, p.finished) for p in results.raters] == [("cy", 3)]
    assert results.notes == (
        "a half.json: left out: the same rater as b whole.json, with 1 finished trials to 3",
        "c whole again.json: left out: the same rater as b whole.json, with 3 finished trials to 3",
    )
