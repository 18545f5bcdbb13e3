"""What raters said: from the database of a server, and from files that raters of an exported page sent in."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from codec.errors import CodecError, first_error
from eval.listening.briefing import MAX_COMMENT
from eval.listening.store import FILE, Store
from eval.listening.study import REFERENCE, Mode, Stimulus, Study, Trial

MAX_FILE = 10_000_000
PLANS = 60
"""Of an exported page, which takes one of them at random."""
BOUNDS = {"mushra": (0.0, 100.0), "ab": (0.0, 1.0), "acr": (1.0, 5.0), "bs1116": (1.0, 5.0), "abx": (0.0, 1.0)}
"""Of a score, by mode."""


@dataclass(frozen=True)
class Rating:
    """One score of a finished trial.

    Attributes:
        rater: name.
        trial: id; several trials of a preference test share a clip.
        clip: which recording.
        domain: speech, music or sound.
        condition: what it was.
        score: 0–100, 1–5, or 1, 0.5, 0 for better, no difference, worse; of ABX 1 for a right answer, 0 for a wrong one.
        seconds: that the trial took.
    """

    rater: str
    trial: str
    clip: str
    domain: str
    condition: str
    score: float
    seconds: float


@dataclass(frozen=True)
class Participation:
    """How far a rater came.

    Attributes:
        rater: name.
        finished: trials.
        planned: trials.
        headphones: what the check found, ``6/6`` for example; empty if it was not done.
        answers: to the questions before the test.
        comments: on finished trials, by clip.
        checks: of attention: passed, and heard.
    """

    rater: str
    finished: int
    planned: int
    headphones: str = ""
    answers: dict[str, str] = field(default_factory=dict)
    comments: tuple[tuple[str, str], ...] = ()
    checks: tuple[int, int] = (0, 0)

    @property
    def attentive(self) -> bool:
        """Two of three checks were passed, or there were none."""
        passed, heard = self.checks
        return 3 * passed >= 2 * heard


@dataclass(frozen=True)
class Results:
    """The results of a study.

    Attributes:
        ratings: of all finished trials; scores of unfinished ones are left out.
        raters: everybody who joined.
        notes: files that were left out, and why.
    """

    ratings: tuple[Rating, ...]
    raters: tuple[Participation, ...]
    notes: tuple[str, ...] = ()


def collect(study: Study, folder: Path) -> Results:
    """Reads ``ratings.sqlite`` and ``results/*.json`` of a study folder; a server may be running meanwhile.

    Raises:
        CodecError: nobody has finished a trial.
    """
    ratings: list[Rating] = []
    raters: list[Participation] = []
    notes: list[str] = []
    if (folder / FILE).is_file():
        store = Store(folder)
        for rater in store.raters():
            finished, scores = store.finished(rater), store.scores(rater)
            plan = study.plan(rater.index)
            ratings += _ratings(study, rater.name, plan, finished, scores)
            told = store.answers(rater), _said(plan, store.comments(rater)), _checked(study, plan, finished, scores)
            raters.append(Participation(rater.name, len(finished), len(plan), _headphones(rater.setup), *told))
        store.close()
    for sheet in _sheets(study, folder / "results", notes):
        name = sheet.name if sheet.name not in {r.rater for r in raters} else f"{sheet.name} ({sheet.rater[:4]})"
        plan = study.plan(sheet.plan)
        ratings += _ratings(study, name, plan, sheet.finished, sheet.scores)
        headphones = _headphones(vars(sheet.setup) if sheet.setup else None)
        told = sheet.answers, _said(plan, sheet.comments), _checked(study, plan, sheet.finished, sheet.scores)
        raters.append(Participation(name, len(sheet.finished), len(plan), headphones, *told))
    if not ratings:
        raise CodecError(f"{folder}: nobody has finished a trial yet{''.join('; ' + note for note in notes[:1])}")
    return Results(tuple(ratings), tuple(raters), tuple(notes))


def _sheets(study: Study, folder: Path, notes: list[str]) -> list[_Sheet]:
    """The sheets of all raters, of each the one with most finished trials; what is left out is noted."""
    found: dict[str, list[tuple[str, _Sheet]]] = {}
    for path in sorted(folder.glob("*.json")):
        try:
            sheet = _read_sheet(path, study)
        except CodecError as error:
            notes.append(f"{path.name}: left out: {error}")
        else:
            found.setdefault(sheet.rater, []).append((path.name, sheet))
    chosen = []
    for sheets in found.values():
        best, kept = max(sheets, key=lambda named: len(named[1].finished))
        chosen.append(kept)
        notes += [
            f"{name}: left out: the same rater as {best}, with {len(sheet.finished)} finished trials to {len(kept.finished)}"
            for name, sheet in sheets
            if name != best
        ]
    return chosen


def _ratings(
    study: Study, rater: str, plan: tuple[Trial, ...], finished: dict[str, float], scores: dict[str, dict[str, float]]
) -> list[Rating]:
    return [
        Rating(rater, trial.id, trial.clip, trial.domain, *_meant(study, trial, s, scores[trial.id][s.id]), finished[trial.id])
        for trial in plan
        if trial.id in finished and not trial.check
        for s in trial.stimuli
    ]


def _meant(study: Study, trial: Trial, stimulus: Stimulus, score: float) -> tuple[str, float]:
    """Condition and score; an answer of ABX, 1 for "X is A", counts as right or wrong for the codec that was B."""
    whole = study.trial(trial.id)
    if trial.other is None or whole is None:
        return stimulus.condition, score
    codec = next(s.condition for s in whole.stimuli if s.condition != REFERENCE)
    return codec, float((score == 1) == (stimulus.condition == REFERENCE))


def _checked(
    study: Study, plan: tuple[Trial, ...], finished: dict[str, float], scores: dict[str, dict[str, float]]
) -> tuple[int, int]:
    """Checks of attention that were passed, and those that were heard."""
    heard = [trial for trial in plan if trial.check and trial.id in finished]
    return sum(_passed(study.mode, trial, scores[trial.id]) for trial in heard), len(heard)


def _passed(mode: Mode, trial: Trial, scores: dict[str, float]) -> bool:
    said = {s.condition: scores[s.id] for s in trial.stimuli}
    dull = next((score for condition, score in said.items() if condition != REFERENCE), 0.0)
    if mode == "abx":
        return said.get(REFERENCE) == 1 or (REFERENCE not in said and dull == 0)
    if mode == "acr":
        return dull <= 3
    return said[REFERENCE] - dull >= {"mushra": 20, "ab": 1, "bs1116": 1}[mode]


def _said(plan: tuple[Trial, ...], comments: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((trial.clip, comments[trial.id]) for trial in plan if trial.id in comments)


def _headphones(setup: dict[str, Any] | None) -> str:
    if not setup:
        return ""
    return f"{setup['right']}/{setup['of']}" if setup["of"] else str(setup["device"])


@dataclass(frozen=True)
class _Setup:
    """Consent, and what the headphone check found."""

    consent: Literal[True]
    device: Literal["headphones", "loudspeakers"]
    right: int
    of: int


@dataclass(frozen=True)
class _Sheet:
    """The file of an exported page."""

    study: str
    rater: str
    plan: int
    name: str
    setup: _Setup | None
    scores: dict[str, dict[str, float]]
    finished: dict[str, float]
    answers: dict[str, str] = field(default_factory=dict)
    comments: dict[str, str] = field(default_factory=dict)


def _read_sheet(path: Path, study: Study) -> _Sheet:
    """Reads and checks a file that came from outside.

    Raises:
        CodecError: it is not of this study, or holds what the page cannot have written.
    """
    from pydantic import TypeAdapter, ValidationError

    try:
        if path.stat().st_size > MAX_FILE:
            raise CodecError("too large")
        sheet = TypeAdapter(_Sheet).validate_json(path.read_bytes())
    except ValidationError as error:
        raise CodecError(f"not a file of results ({first_error(error)})") from error
    except OSError as error:
        raise CodecError(error.strerror or "cannot be read") from error
    if sheet.study != study_id(study):
        raise CodecError("of another study")
    low, high = BOUNDS[study.mode]
    trials = {trial.id: trial for trial in study.plan(sheet.plan)} if 0 <= sheet.plan < PLANS else {}
    # What a server would have refused as well; names and the headphone check reach the report.
    if not (
        re.fullmatch("[0-9a-f]{16}", sheet.rater) and sheet.name.strip() and sheet.name.isprintable() and len(sheet.name) <= 40
    ):
        raise CodecError("the rater has no proper name")
    if wrong := study.briefing.check(sheet.answers):
        raise CodecError(wrong)
    if not all(trial in trials and len(comment) <= MAX_COMMENT for trial, comment in sheet.comments.items()):
        raise CodecError("comments are too long, or on no trial")
    for trial, seconds in sheet.finished.items():
        if trial not in trials or not (math.isfinite(seconds) and seconds >= 0):
            raise CodecError(f"trial {trial[:20]!r} was not planned")
        scores = sheet.scores.get(trial, {})
        if scores.keys() != {s.id for s in trials[trial].stimuli} or not all(low <= v <= high for v in scores.values()):
            raise CodecError(f"scores of trial {trial[:20]!r} are incomplete or out of range")
    return sheet


def study_id(study: Study) -> str:
    """Names a study without giving anything away."""
    return study.trials[0].id
