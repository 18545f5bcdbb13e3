"""How far a running test is, for who runs it: raters, and trials that somebody has yet to hear."""

from __future__ import annotations

from typing import Any

from eval.listening.store import Store
from eval.listening.study import Study


def progress_of(study: Study, store: Store) -> dict[str, Any]:
    """Raters with their last sign of life, and by trial how often it was heard; no score, which would tempt to stop early."""
    heard = {trial.id: 0 for trial in study.trials}
    raters = []
    for rater in store.raters():
        finished = store.finished(rater)
        for trial in finished:
            heard[trial] = heard.get(trial, 0) + 1
        raters.append(
            {
                "name": rater.name,
                "finished": len(finished),
                "planned": len(study.plan(rater.index)),
                "setup": rater.setup is not None,
                "seconds": sum(finished.values()) / len(finished) if finished else None,
                "last": store.last_sign(rater),
            }
        )
    trials = [{"clip": trial.clip, "domain": trial.domain, "heard": heard[trial.id]} for trial in study.trials]
    return {"title": study.title, "closes": study.closes, "raters": raters, "trials": trials}
