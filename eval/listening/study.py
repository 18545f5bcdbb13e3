"""A listening test on disk: sounds under meaningless names, and the key that says what each of them is.

A study folder is complete in itself: ``study.json`` (the key; raters never get it), ``audio/*.flac``, and once it is
served ``ratings.sqlite``.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal

import numpy as np

from codec.atomic import atomic_write
from codec.errors import CodecError, first_error
from eval.listening.briefing import Briefing

Mode = Literal["mushra", "ab", "acr", "bs1116", "abx"]
Kind = Literal["reference", "anchor", "codec"]
FORMAT = 1
REFERENCE, LOW_ANCHOR, MID_ANCHOR = "reference", "anchor 3.5 kHz", "anchor 7 kHz"


@dataclass(frozen=True)
class Condition:
    """What a sound went through.

    Attributes:
        name: ``semcodec@50`` for example, `REFERENCE`, or one of the anchors.
        kind: what it is there for.
        kbps: nominal, of codecs.
        version: of the codec's program or weights.
    """

    name: str
    kind: Kind
    kbps: float | None = None
    version: str = ""


@dataclass(frozen=True)
class Stimulus:
    """A sound to rate.

    Attributes:
        id: name of its file, without meaning.
        condition: name of a `Condition`.
    """

    id: str
    condition: str


@dataclass(frozen=True)
class Trial:
    """Sounds that are rated together.

    Attributes:
        id: without meaning.
        clip: which recording, as found in the data.
        domain: speech, music or sound.
        reference: id of the open reference; None where none is played (opinion scores).
        stimuli: what is rated.
        seconds: length of every sound.
        other: id of a second open sound, B of ABX; then ``stimuli`` are what X may be, and every rater gets one of them.
        check: of attention; everybody gets it, and it says nothing about codecs.
    """

    id: str
    clip: str
    domain: str
    reference: str | None
    stimuli: tuple[Stimulus, ...]
    seconds: float
    other: str | None = None
    check: bool = False


@dataclass(frozen=True)
class Study:
    """A listening test.

    Attributes:
        title: shown to raters.
        mode: ``mushra`` (0–100, BS.1534-3), ``ab`` (preference of two), ``acr`` (1–5, P.800), ``bs1116`` (small impairments,
            1.0–5.0 beside a reference, BS.1116-3) or ``abx`` (is there a difference).
        seed: of every random choice: clips, and what each rater hears in which order.
        conditions: in the order of tables and plots.
        trials: all of them; a rater gets ``per_rater``.
        training: heard first and not counted.
        per_rater: trials of one rater.
        invite: secret part of the link with which raters join.
        closes: when links expire, ISO 8601 with a time zone; None is never.
        made: when, ISO 8601.
        notes: clips that were cut or left out, and why.
        briefing: what raters read and are asked.
        checks: trials of attention, heard by everybody.
    """

    title: str
    mode: Mode
    seed: int
    conditions: tuple[Condition, ...]
    trials: tuple[Trial, ...]
    training: Trial
    per_rater: int
    invite: str
    closes: str | None = None
    made: str = ""
    notes: tuple[str, ...] = ()
    format: int = FORMAT
    briefing: Briefing = field(default_factory=Briefing)
    checks: tuple[Trial, ...] = ()

    def condition(self, name: str) -> Condition:
        """The condition of a name."""
        return next(c for c in self.conditions if c.name == name)

    def trial(self, trial_id: str) -> Trial | None:
        """The trial of an id; None if there is none."""
        return next((t for t in (*self.trials, *self.checks) if t.id == trial_id), None)

    @property
    def domains(self) -> tuple[str, ...]:
        """The domains, in the order of their first trials."""
        return tuple(dict.fromkeys(trial.domain for trial in self.trials))

    @property
    def audio_ids(self) -> frozenset[str]:
        """The ids of all sounds."""
        return sounds_of((*self.trials, *self.checks, self.training))

    def is_closed(self, now: datetime | None = None) -> bool:
        """Whether its links have expired."""
        return self.closes is not None and (now or datetime.now(timezone.utc)) >= datetime.fromisoformat(self.closes)

    def plan(self, rater: int) -> tuple[Trial, ...]:
        """Trials of the ``rater``-th rater (from 0), sounds in the order they are shown.

        Consecutive raters take consecutive stretches of one shuffled round of all trials, so that every trial is heard
        equally often, give or take one. Checks of attention lie anywhere among them.

        Example:
            >>> study = Study("t", "acr", 0, (), tuple(Trial(c, c, "sound", None, (), 1.0) for c in "abcd"), None, 3, "")
            >>> sorted(t.id for rater in range(4) for t in study.plan(rater)) == sorted("abcd" * 3)
            True
        """
        round_ = np.random.default_rng([self.seed, 1]).permutation(len(self.trials))
        mine = [self.trials[round_[(rater * self.per_rater + k) % len(round_)]] for k in range(self.per_rater)]
        mine += self.checks
        rng = np.random.default_rng([self.seed, 2, rater])
        return tuple(_shuffled(mine[i], rng) for i in rng.permutation(len(mine)))


def _shuffled(trial: Trial, rng: np.random.Generator) -> Trial:
    order = rng.permutation(len(trial.stimuli))[: 1 if trial.other else None]
    return Trial(**{**vars(trial), "stimuli": tuple(trial.stimuli[i] for i in order)})


def sounds_of(trials: Iterable[Trial]) -> frozenset[str]:
    """Ids of all that is heard in these trials."""
    return frozenset(i for t in trials for i in (t.reference, t.other, *(s.id for s in t.stimuli)) if i)


def new_id() -> str:
    """A name without meaning that nobody guesses."""
    return secrets.token_hex(8)


def save_study(study: Study, folder: Path) -> None:
    """Writes ``study.json``, readable by its owner only, for it holds the key and the invitation."""
    with atomic_write(folder / "study.json") as handle:
        handle.write((json.dumps(asdict(study), indent=1) + "\n").encode())
    (folder / "study.json").chmod(0o600)


def load_study(folder: Path) -> Study:
    """Reads a study folder.

    Raises:
        CodecError: there is no study, it is damaged, or its sounds are missing.
    """
    from pydantic import TypeAdapter, ValidationError

    path = folder / "study.json"
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise CodecError(f"{folder}: no listening test here; make one with: codec eval listen make") from error
    try:
        study = TypeAdapter(Study).validate_json(raw)
    except ValidationError as error:
        raise CodecError(f"{path}: not a listening test ({first_error(error)})") from error
    if study.format != FORMAT:
        raise CodecError(f"{path}: written by another version of this program (format {study.format}, not {FORMAT})")
    _check(study, folder)
    return study


def _check(study: Study, folder: Path) -> None:
    names = {condition.name for condition in study.conditions}
    heard = {s.condition for t in (*study.trials, study.training) for s in t.stimuli}
    if not study.trials or not 1 <= study.per_rater <= len(study.trials) or not heard <= names:
        raise CodecError(f"{folder / 'study.json'}: trials and conditions do not fit each other")
    try:
        closes = study.closes and datetime.fromisoformat(study.closes)
    except ValueError as error:
        raise CodecError(f"{folder / 'study.json'}: closes is not a date ({study.closes})") from error
    if closes and closes.tzinfo is None:
        raise CodecError(f"{folder / 'study.json'}: closes has no time zone ({study.closes})")
    missing = sorted(i for i in study.audio_ids if not i.isalnum() or not (folder / "audio" / f"{i}.flac").is_file())
    if missing:
        raise CodecError(f"{folder}: {len(missing)} sounds are missing, audio/{missing[0]}.flac for one")
