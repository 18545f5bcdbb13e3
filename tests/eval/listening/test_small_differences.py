"""BS.1116 and ABX: one sound beside the original, of which raters do not know which one it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from codec.data.testsets import Clip
from codec.errors import CodecError
from eval.listening.analyse import analyse, plot, report
from eval.listening.make import CHECK, Recipe, make_study
from eval.listening.results import Rating
from eval.listening.screening import screen_experts
from eval.listening.server import make_app
from eval.listening.store import Store
from eval.listening.study import REFERENCE, Study, load_study
from tests.eval.listening.axe import serious
from tests.eval.listening.conftest import COARSE, FINE, fits, serving, there
from tests.eval.listening.rater import take_part, with_loudspeakers


@pytest.fixture
def folder(request: pytest.FixtureRequest, recordings: list[Clip], tmp_path: Path) -> Path:
    recipe = Recipe({"speech": 2, "music": 1}, request.param, "Small differences")
    make_study(tmp_path / "study", recordings, [FINE, COARSE], recipe)
    return tmp_path / "study"


def fill(folder: Path, score: Any, raters: int = 6) -> Study:
    """Raters in the database; ``score(study, trial, stimulus, rng)`` is what they say."""
    study, store, rng = load_study(folder), Store(folder), np.random.default_rng(0)
    for number in range(raters):
        rater = store.join(f"r{number}", f"{number:032x}")
        for trial in study.plan(rater.index):
            store.rate(rater, trial.id, {s.id: score(study, trial, s, rng) for s in trial.stimuli}, 1)
            assert store.finish(rater, trial.id, {s.id for s in trial.stimuli}, 5)
    store.close()
    return study


@pytest.mark.parametrize("folder", ["bs1116"], indirect=True)
def test_difference_grades(folder: Path) -> None:
    grades = {REFERENCE: 5.0, "fine": 4.5, "coarse": 2.0}
    study = fill(
        folder, lambda study, trial, s, rng: grades[s.condition] - (s.condition != REFERENCE) * rng.integers(0, 3) / 10
    )
    assert len(study.trials) == 6
    ids = [i for t in study.trials for i in (t.reference, *(s.id for s in t.stimuli))]
    assert len(ids) == len(set(ids)), "no file is heard in two trials, nor under two names"
    analysis = analyse(folder)
    found = {c.first: c for c in analysis.comparisons}
    assert {c.second for c in found.values()} == {REFERENCE}
    assert found["coarse"].difference == pytest.approx(-3.1, abs=0.1)
    assert found["fine"].n == 6 * 3
    assert "difference grade" in report(analysis)
    assert plot(analysis).axes
    with pytest.raises(CodecError, match=r"^fine and coarse cannot be compared: nobody who counts has rated both in one trial"):
        analyse(folder, [("fine", REFERENCE), ("fine", "coarse")])


@pytest.mark.parametrize("folder", ["bs1116"], indirect=True)
def test_who_hears_no_difference_is_left_out(folder: Path) -> None:
    """One rater takes codec and reference for each other as often as not; another one says 5 to everything."""
    study, store = load_study(folder), Store(folder)
    for number, name in enumerate(("expert", "guesser", "bored")):
        rater = store.join(name, f"{number:032x}")
        for turn, trial in enumerate(study.plan(rater.index)):
            right = name == "expert" or (name == "guesser" and turn % 2 == 0)
            for stimulus in trial.stimuli:
                worse = name != "bored" and right == (stimulus.condition != REFERENCE)
                store.rate(rater, trial.id, {stimulus.id: 3.0 + 0.1 * (turn % 3) if worse else 5.0}, 1)
            assert store.finish(rater, trial.id, {s.id for s in trial.stimuli}, 5)
    store.close()
    analysis = analyse(folder)
    verdicts = {verdict.rater: verdict for verdict in analysis.screening}
    assert {name: verdict.kept for name, verdict in verdicts.items()} == {"expert": True, "guesser": False, "bored": False}
    assert {rating.rater for rating in analysis.kept} == {"expert"}
    said = report(analysis)
    assert "not significantly below 0 (p = 1.00)" in said
    assert "Left out by BS.1116-3" in said


def test_one_trial_tells_nothing_of_expertise() -> None:
    grades = [Rating("a", "t", "c", "sound", condition, score, 1) for condition, score in ((REFERENCE, 5), ("coarse", 1))]
    [verdict] = screen_experts(grades)
    assert not verdict.kept
    assert "one trial" in verdict.reason


@pytest.mark.parametrize("folder", ["abx"], indirect=True)
def test_who_hears_it_and_who_guesses(folder: Path) -> None:
    """Everybody hears the coarse codec, and guesses about the fine one."""

    def answer(study: Study, trial: Any, stimulus: Any, rng: np.random.Generator) -> float:
        coarse = any(s.condition == "coarse" for s in study.trial(trial.id).stimuli)  # type: ignore[union-attr]
        return float(stimulus.condition == REFERENCE) if coarse else float(rng.integers(0, 2))

    study = fill(folder, answer, raters=12)
    drawn = [s.condition == REFERENCE for rater in range(12) for t in study.plan(rater) for s in t.stimuli]
    assert len(drawn) == 12 * 6, "one X a trial"
    assert 0.3 < np.mean(drawn) < 0.7
    analysis = analyse(folder)
    found = {c.first: c for c in analysis.comparisons}
    assert found["coarse"].difference == 1
    assert found["coarse"].p_holm < 0.001
    assert found["fine"].p > 0.01
    assert "| coarse | guessing | 100% | 36 | < 0.001 | < 0.001 |" in report(analysis)
    with pytest.raises(CodecError, match="guessing"):
        analyse(folder, [("coarse", "fine")])


@pytest.mark.parametrize("folder", ["abx"], indirect=True)
def test_no_rater_is_given_both_that_x_may_be(folder: Path) -> None:
    client, study = TestClient(make_app(folder)), load_study(folder)
    body = {"invite": study.invite, "name": "Ada", "key": "0" * 32}
    link = {"authorization": f"Bearer {client.post('/api/join', json=body).json()['token']}"}
    session = client.get("/api/session", headers=link).json()
    for trial in (*session["trials"], session["training"]):
        assert len(trial["stimuli"]) == 1
        assert client.get(f"/audio/{trial['other']}.flac", headers=link).status_code == 200
    shown = {trial["stimuli"][0] for trial in session["trials"]}
    hidden = {s.id for t in study.trials for s in t.stimuli} - shown
    assert len(hidden) == len(study.trials)
    assert {client.get(f"/audio/{name}.flac", headers=link).status_code for name in hidden} == {404}


@pytest.mark.parametrize("folder", ["bs1116", "abx"], indirect=True)
def test_in_a_browser(page: Any, folder: Path) -> None:
    study = load_study(folder)
    with serving(make_app(folder), page) as address:
        page.goto(f"{address}/#join={study.invite}")
        take_part(page, "Ada")
        with_loudspeakers(page)
        page.get_by_role("heading", name="Practice").wait_for()
        assert not serious(page)
        fits(page, 390)
        page.get_by_role("button", name="Play", exact=True).wait_for()
        start = page.get_by_role("button", name="Start the test")
        if study.mode == "abx":
            for key in "ABX":
                page.keyboard.press(key)
            assert start.is_disabled()
            page.keyboard.press("2")
        else:
            for key in ("A", "PageUp", "B", "PageUp"):
                page.keyboard.press(key)
            page.get_by_text("One of the two is the reference").wait_for()
            assert start.is_disabled()
            page.keyboard.press("End")
            there(page.locator("[aria-label^='Sound B:'][aria-valuetext='5, imperceptible']"), 1)
        page.get_by_text("All rated").wait_for()
        start.click()
        page.get_by_role("heading", name="Trial 1 of 6").wait_for()


@pytest.mark.parametrize("mode", ["mushra", "ab", "acr", "bs1116", "abx"])
def test_checks_of_attention(recordings: list[Clip], tmp_path: Path, mode: Any) -> None:
    """One listens, one says the opposite of what is right; both are fair to the codecs."""
    recipe = Recipe({"speech": 2, "music": 1}, mode, "Checked", per_rater=2, checks=3)
    study = make_study(tmp_path / "study", recordings, [FINE, COARSE], recipe)
    assert {c.name for c in study.conditions}.isdisjoint({CHECK})
    best = {"mushra": 100.0, "ab": 1.0, "acr": 5.0, "bs1116": 5.0, "abx": 1.0}[mode]
    worst = {"mushra": 0.0, "ab": 0.0, "acr": 1.0, "bs1116": 1.0, "abx": 0.0}[mode]
    store = Store(tmp_path / "study")
    for number, careless in enumerate((False, True)):
        rater = store.join(f"r{number}", f"{number:032x}")
        plan = study.plan(rater.index)
        assert (len(plan), sum(trial.check for trial in plan)) == (5, 3)
        for trial in plan:
            right = {s.id: best if s.condition == REFERENCE else worst for s in trial.stimuli}
            given = {i: best + worst - score for i, score in right.items()} if careless and trial.check else right
            store.rate(rater, trial.id, given, 1)
            assert store.finish(rater, trial.id, set(given), 5)
    store.close()
    analysis = analyse(tmp_path / "study")
    assert [person.checks for person in analysis.results.raters] == [(3, 3), (0, 3)]
    assert {rating.rater for rating in analysis.kept} == {"r0"}
    assert {rating.condition for rating in analysis.results.ratings}.isdisjoint({CHECK})
    assert "left out: 0 of 3 checks of attention passed" in report(analysis)
