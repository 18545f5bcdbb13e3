"""``codec eval listen serve``: the page, the sounds, and one small request for every rating.

A rater's link is ``/#r=<token>``. The part behind # never leaves the browser as an address; the page sends the token in a
header, so it is in no log and in no referrer.
"""

import secrets
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from codec.errors import CodecError
from eval.listening.briefing import MAX_ANSWER, MAX_COMMENT
from eval.listening.results import BOUNDS
from eval.listening.store import Rater, Store
from eval.listening.study import Study, Trial, load_study, sounds_of
from eval.listening.watch import progress_of
from eval.listening.web import Guard, add_page, new_app

if TYPE_CHECKING:
    from fastapi import FastAPI

PAGE_FILES = (
    "listen.js",
    "welcome.js",
    "api.js",
    "player.js",
    "waveform.js",
    "headphones.js",
    "rating.js",
    "dom.js",
    "watch.js",
    "style.css",
    "icon.svg",
)
MAX_BODY = 16_384
"""In bytes; a trial's ratings are about one thousand."""

Id = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]


def _readable(name: str) -> str:
    if not name.strip() or not name.isprintable():
        raise ValueError("not a name")
    return name.strip()


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Join(_Body):
    """A new rater; ``key`` is the page's own random number, so that asking twice joins once."""

    invite: str = Field(max_length=64)
    answers: dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=MAX_ANSWER)]] = Field(
        default_factory=dict, max_length=50
    )
    name: Annotated[str, Field(max_length=40), AfterValidator(_readable)]
    key: str = Field(pattern=r"^[0-9a-f]{32}$")


class Setup(_Body):
    """Consent, and what the headphone check found."""

    consent: Literal[True]
    device: str = Field(pattern=r"^(headphones|loudspeakers)$")
    right: int = Field(ge=0, le=12)
    of: int = Field(ge=0, le=12)


class Ratings(_Body):
    """Scores of one or more sounds of a trial; ``stamp`` is the page's clock in ms."""

    trial: Id
    scores: dict[Id, Annotated[float, Field(allow_inf_nan=False)]] = Field(min_length=1, max_length=16)
    stamp: int = Field(ge=0, lt=1 << 53)


class Done(_Body):
    """All sounds of a trial are rated."""

    trial: Id
    seconds: float = Field(ge=0, le=1e6, allow_inf_nan=False)
    comment: str = Field("", max_length=MAX_COMMENT)


def session_of(study: Study, plan: tuple[Trial, ...]) -> dict[str, Any]:
    """What a page may know: names without meaning, and never what is behind them."""
    return {
        "title": study.title,
        "mode": study.mode,
        "comments": study.briefing.comments,
        "training": _shown(without_order(study.training)),
        "trials": [_shown(trial) for trial in plan],
    }


def invitation_of(study: Study) -> dict[str, Any]:
    """What a page shows before somebody joins."""
    return {"title": study.title, **study.briefing.shown()}


def without_order(trial: Trial) -> Trial:
    """Sounds sorted by their random names: the order in which they were made would give them away."""
    known = sorted(trial.stimuli, key=lambda stimulus: stimulus.id)
    return replace(trial, stimuli=tuple(known[: 1 if trial.other else None]))


def _shown(trial: Trial) -> dict[str, Any]:
    return {
        "id": trial.id,
        "reference": trial.reference,
        "other": trial.other,
        "stimuli": [stimulus.id for stimulus in trial.stimuli],
        "seconds": trial.seconds,
    }


def make_app(folder: Path) -> "FastAPI":
    """The server of a study folder; holds the folder's lock as long as it lives.

    Raises:
        CodecError: no study, or another server has it.
    """
    app = new_app("listening test")
    from fastapi import Depends, Header, HTTPException, Query
    from fastapi.responses import FileResponse

    study = load_study(folder)
    store = Store(folder, serving=True)
    app.state.store, app.state.watch = store, secrets.token_urlsafe(16)

    def open_study() -> None:
        if study.is_closed():
            raise HTTPException(410, "This listening test is over; thank you.")

    def current(authorization: Annotated[str, Header(max_length=100)] = "") -> Rater:
        open_study()
        rater = store.find(authorization.removeprefix("Bearer "))
        if rater is None:
            raise HTTPException(401, "This link is not valid. Check that all of it was copied.")
        return rater

    me = Annotated[Rater, Depends(current)]

    def planned(rater: Rater, trial_id: str) -> Trial:
        trial = next((t for t in study.plan(rater.index) if t.id == trial_id), None)
        if trial is None:
            raise HTTPException(403, "This trial is not yours.")
        return trial

    def invited(invite: str) -> None:
        open_study()
        if not secrets.compare_digest(invite.encode(), study.invite.encode()):
            raise HTTPException(401, "This invitation is not valid. Check that all of the link was copied.")

    def invitation(invite: Annotated[str, Query(max_length=64)]) -> dict[str, Any]:
        invited(invite)
        return invitation_of(study)

    def join(body: Join) -> dict[str, str]:
        invited(body.invite)
        if wrong := study.briefing.check(body.answers):
            raise HTTPException(422, wrong)
        try:
            return {"token": store.join(body.name, body.key, body.answers).token}
        except CodecError as error:
            raise HTTPException(409, str(error)) from error

    def session(rater: me) -> dict[str, Any]:
        own = {"name": rater.name, "setup": rater.setup, "stamp": store.stamp(rater)}
        finished = store.finished(rater)
        done = {"finished": finished, "scores": store.scores(rater)}
        own["completion"] = study.briefing.completion if len(finished) == len(study.plan(rater.index)) else ""
        return {**session_of(study, study.plan(rater.index)), **own, **done}

    def setup(body: Setup, rater: me) -> None:
        store.set_up(rater, body.model_dump())

    def rate(body: Ratings, rater: me) -> None:
        trial = planned(rater, body.trial)
        low, high = BOUNDS[study.mode]
        if not body.scores.keys() <= {s.id for s in trial.stimuli} or not all(low <= v <= high for v in body.scores.values()):
            raise HTTPException(422, "These are not ratings of this trial.")
        if not store.rate(rater, trial.id, body.scores, body.stamp):
            raise HTTPException(409, "This trial is finished.")

    def done(body: Done, rater: me) -> None:
        trial = planned(rater, body.trial)
        if not store.finish(rater, trial.id, {s.id for s in trial.stimuli}, body.seconds, body.comment):
            raise HTTPException(409, "Some sounds of this trial are not rated yet.")

    def sound(name: str, rater: me) -> FileResponse:
        if name not in sounds_of((*study.plan(rater.index), study.training)):
            raise HTTPException(404)
        headers = {"cache-control": "private, max-age=86400"}
        return FileResponse(folder / "audio" / f"{name}.flac", media_type="audio/flac", headers=headers)

    def watch(authorization: Annotated[str, Header(max_length=100)] = "") -> dict[str, Any]:
        if not secrets.compare_digest(authorization.encode(), f"Bearer {app.state.watch}".encode()):
            raise HTTPException(401, "This is not the link that the server printed when it was started last.")
        return progress_of(study, store)

    add_page(app, "listen.html", PAGE_FILES, {"/watch": "watch.html"})
    for path, function in (("join", join), ("setup", setup), ("ratings", rate), ("done", done)):
        app.post(f"/api/{path}")(function)
    app.get("/api/session")(session)
    app.get("/api/invitation")(invitation)
    app.get("/api/watch")(watch)
    app.get("/audio/{name}.flac")(sound)
    app.add_middleware(Guard, max_body=MAX_BODY)
    return app
