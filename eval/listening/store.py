"""Raters and their ratings in SQLite: every rating is on disk before its sender hears of it.

Writing the same thing twice changes nothing, so a page that did not hear back can simply send again.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from codec.errors import CodecError

FILE = "ratings.sqlite"
MAX_RATERS = 1000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS raters (
    id INTEGER PRIMARY KEY,
    token TEXT NOT NULL UNIQUE,
    join_key TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL UNIQUE COLLATE NOCASE,
    joined TEXT NOT NULL,
    setup TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE TABLE IF NOT EXISTS ratings (
    rater INTEGER NOT NULL REFERENCES raters (id),
    trial TEXT NOT NULL,
    stimulus TEXT NOT NULL,
    score REAL NOT NULL,
    stamp INTEGER NOT NULL,
    PRIMARY KEY (rater, trial, stimulus)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS finished (
    rater INTEGER NOT NULL REFERENCES raters (id),
    trial TEXT NOT NULL,
    seconds REAL NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (rater, trial)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS answers (
    rater INTEGER NOT NULL REFERENCES raters (id),
    question TEXT NOT NULL,
    answer TEXT NOT NULL,
    PRIMARY KEY (rater, question)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS comments (
    rater INTEGER NOT NULL REFERENCES raters (id),
    trial TEXT NOT NULL,
    comment TEXT NOT NULL,
    PRIMARY KEY (rater, trial)
) STRICT, WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Rater:
    """Somebody who takes part.

    Attributes:
        id: from 1, in order of joining.
        token: secret part of their link.
        name: as they gave it.
        setup: what the headphone check found; None before it.
    """

    id: int
    token: str
    name: str
    setup: dict[str, Any] | None

    @property
    def index(self) -> int:
        """The number of a rater, from 0, for `Study.plan`."""
        return self.id - 1


class Store:
    """The database of a study folder.

    Args:
        folder: of the study.
        serving: take the folder's lock, which only one server can hold; it goes away with the process, however that ends.

    Raises:
        CodecError: another server holds the lock, or the file is not such a database.
    """

    def __init__(self, folder: Path, serving: bool = False) -> None:
        self._guard = threading.Lock()
        self._lock = _take_lock(folder) if serving else None
        path = folder / FILE
        try:
            # Autocommit: transactions are opened where they are needed.
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=30)
            path.chmod(0o600)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.executescript(_SCHEMA)
        except sqlite3.DatabaseError as error:
            raise CodecError(f"{path}: not a database of ratings ({error})") from error
        except OSError as error:
            raise CodecError(f"{path}: {error.strerror}") from error

    def close(self) -> None:
        """Lets go of the database and the lock."""
        self._db.close()
        if self._lock is not None:
            self._lock.close()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._guard:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _read(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self._guard:
            return self._db.execute(query, values).fetchall()

    def join(self, name: str, join_key: str, answers: Mapping[str, str] | None = None) -> Rater:
        """A new rater, or the one who joined with the same key before and did not get the answer.

        Args:
            name: that they give themselves.
            join_key: of their browser.
            answers: by question.

        Raises:
            CodecError: somebody else has this name, or the study is full.
        """
        with self._transaction() as db:
            known = db.execute("SELECT id, token, name, setup FROM raters WHERE join_key = ?", (join_key,)).fetchone()
            if known:
                return _rater(known)
            if db.execute("SELECT count(*) FROM raters").fetchone()[0] >= MAX_RATERS:
                raise CodecError(f"this test already has {MAX_RATERS} raters")
            token = secrets.token_urlsafe(32)
            try:
                cursor = db.execute(
                    "INSERT INTO raters (token, join_key, name, joined) VALUES (?, ?, ?, ?)", (token, join_key, name, _now())
                )
            except sqlite3.IntegrityError as error:
                raise CodecError(
                    f"somebody called {name} is already taking part; use your own link, or another name"
                ) from error
            rater = Rater(int(cursor.lastrowid or 0), token, name, None)
            rows = [(rater.id, question, answer) for question, answer in (answers or {}).items()]
            db.executemany("INSERT INTO answers VALUES (?, ?, ?)", rows)
            return rater

    def find(self, token: str) -> Rater | None:
        """The rater with this link."""
        rows = self._read("SELECT id, token, name, setup FROM raters WHERE token = ?", token)
        return _rater(rows[0]) if rows else None

    def set_up(self, rater: Rater, setup: dict[str, Any]) -> None:
        """Remembers consent and the headphone check."""
        with self._transaction() as db:
            db.execute("UPDATE raters SET setup = ? WHERE id = ?", (json.dumps(setup), rater.id))

    def rate(self, rater: Rater, trial: str, scores: dict[str, float], stamp: int) -> bool:
        """Stores scores of sounds of a trial; the one with the latest stamp stays, in whatever order they come in.

        Returns:
            False if the trial is finished, and nothing was stored.
        """
        rows = [(rater.id, trial, stimulus, score, stamp) for stimulus, score in scores.items()]
        with self._transaction() as db:
            if db.execute("SELECT 1 FROM finished WHERE rater = ? AND trial = ?", (rater.id, trial)).fetchone():
                return False
            db.executemany(
                "INSERT INTO ratings VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE"
                " SET score = excluded.score, stamp = excluded.stamp WHERE excluded.stamp >= ratings.stamp",
                rows,
            )
        return True

    def finish(self, rater: Rater, trial: str, stimuli: set[str], seconds: float, comment: str = "") -> bool:
        """Closes a trial once all its sounds are rated, with what the rater has to say about it.

        Returns:
            False if some are not.
        """
        with self._transaction() as db:
            rated = db.execute("SELECT stimulus FROM ratings WHERE rater = ? AND trial = ?", (rater.id, trial))
            if {row[0] for row in rated} != stimuli:
                return False
            db.execute("INSERT INTO finished VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", (rater.id, trial, seconds, _now()))
            if comment.strip():
                db.execute("INSERT INTO comments VALUES (?, ?, ?) ON CONFLICT DO NOTHING", (rater.id, trial, comment.strip()))
        return True

    def scores(self, rater: Rater) -> dict[str, dict[str, float]]:
        """What a rater has rated so far: trial → sound → score."""
        found: dict[str, dict[str, float]] = {}
        for trial, stimulus, score in self._read("SELECT trial, stimulus, score FROM ratings WHERE rater = ?", rater.id):
            found.setdefault(trial, {})[stimulus] = score
        return found

    def stamp(self, rater: Rater) -> int:
        """The latest of a rater's stamps; a device whose clock is behind it goes on from there."""
        return self._read("SELECT coalesce(max(stamp), 0) FROM ratings WHERE rater = ?", rater.id)[0][0]

    def finished(self, rater: Rater) -> dict[str, float]:
        """Trials that a rater has finished, and in how many seconds."""
        return dict(self._read("SELECT trial, seconds FROM finished WHERE rater = ?", rater.id))

    def answers(self, rater: Rater) -> dict[str, str]:
        """To the questions before the test."""
        return dict(self._read("SELECT question, answer FROM answers WHERE rater = ?", rater.id))

    def comments(self, rater: Rater) -> dict[str, str]:
        """The comments on trials."""
        return dict(self._read("SELECT trial, comment FROM comments WHERE rater = ?", rater.id))

    def last_sign(self, rater: Rater) -> str:
        """When a rater last finished a trial, or joined; ISO 8601."""
        query = (
            "SELECT max(at) FROM (SELECT joined AS at FROM raters WHERE id = ? UNION SELECT at FROM finished WHERE rater = ?)"
        )
        return str(self._read(query, rater.id, rater.id)[0][0])

    def raters(self) -> list[Rater]:
        """Everybody, in order of joining."""
        return [_rater(row) for row in self._read("SELECT id, token, name, setup FROM raters ORDER BY id")]


def _rater(row: tuple[Any, ...]) -> Rater:
    return Rater(row[0], row[1], row[2], json.loads(row[3]) if row[3] else None)


def _take_lock(folder: Path) -> sqlite3.Connection:
    """An exclusive transaction on a database of its own: a lock on every system, gone with its process however that ends."""
    lock = sqlite3.connect(folder / "serving.lock", check_same_thread=False, isolation_level=None, timeout=0)
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.DatabaseError as error:
        lock.close()
        if "locked" in str(error):
            raise CodecError(f"{folder}: another server is already running this test") from error
        raise CodecError(f"{folder / 'serving.lock'}: {error}") from error
    return lock


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
