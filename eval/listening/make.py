"""``codec eval listen make``: recordings and codecs → a study folder."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile

from codec.baselines.programs import fit
from codec.errors import CodecError
from eval.listening.briefing import Briefing
from eval.listening.stimuli import Excerpt, fade, low_pass, match_loudness, take_excerpt
from eval.listening.study import (
    LOW_ANCHOR,
    MID_ANCHOR,
    REFERENCE,
    Condition,
    Mode,
    Stimulus,
    Study,
    Trial,
    new_id,
    save_study,
)
from eval.reconstruction.delay import in_time

if TYPE_CHECKING:
    from codec.baselines.interface import Reconstructor
    from codec.data.testsets import Clip

PAPER_CLIPS = {"speech": 30, "music": 25, "sound": 50}
"""Of SemantiCodec's listening test."""
MAX_STIMULI = 12
"""In one MUSHRA trial (BS.1534-3)."""
CHECK, CHECK_HZ = "attention", 700.0
_CUTOFFS = {LOW_ANCHOR: 3500.0, MID_ANCHOR: 7000.0}
_TRIES = 3
"""Clips of one domain in a row that a codec may fail on before making stops."""


@dataclass(frozen=True)
class Recipe:
    """What to make.

    Attributes:
        clips: how many of each domain.
        mode: kind of test.
        title: shown to raters.
        seed: of every random choice.
        per_rater: trials of one rater; None is all of them.
        closes: when links expire.
        briefing: what raters read and are asked.
        checks: trials of attention: the original beside what only its lowest 700 Hz leave of it.
    """

    clips: dict[str, int] = field(default_factory=lambda: dict(PAPER_CLIPS))
    mode: Mode = "mushra"
    title: str = "Listening test"
    seed: int = 0
    per_rater: int | None = None
    closes: datetime | None = None
    briefing: Briefing = field(default_factory=Briefing)
    checks: int = 0


@dataclass(frozen=True)
class Sounds:
    """One clip in every condition, ready to be heard.

    Attributes:
        clip: its name.
        domain: speech, music or sound.
        waves: ``(samples,)`` by condition, all of one length.
        sample_rate: in Hz.
    """

    clip: str
    domain: str
    waves: dict[str, np.ndarray]
    sample_rate: int


def make_study(
    folder: Path,
    data: Sequence[Clip],
    codecs: Sequence[Reconstructor],
    recipe: Recipe,
    say: Callable[[str], None] = lambda line: None,
) -> Study:
    """Writes a study folder, whole or not at all.

    Args:
        folder: to write; must not exist, or be empty.
        data: recordings to choose from.
        codecs: under test.
        recipe: what to make of them.
        say: told what was cut or left out, and how far it is.

    Raises:
        CodecError: not enough clips, a codec that fails again and again or has random weights, too many conditions.
    """
    conditions = _conditions(codecs, recipe)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CodecError(f"{folder}: exists and is not empty")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".listen-", dir=folder.parent) as scratch:
        root = Path(scratch) / "study"
        (root / "audio").mkdir(parents=True)
        study = _fill(root, data, codecs, conditions, recipe, say)
        save_study(study, root)
        root.replace(folder)
    return study


def _fill(
    root: Path,
    data: Sequence[Clip],
    codecs: Sequence[Reconstructor],
    conditions: tuple[Condition, ...],
    recipe: Recipe,
    say: Callable[[str], None],
) -> Study:
    notes: list[str] = []

    def note(line: str) -> None:
        notes.append(line)
        say(line)

    trials: list[Trial] = []
    checks: list[Trial] = []
    training: Trial | None = None
    for number, (domain, count) in enumerate(recipe.clips.items()):
        rng = np.random.default_rng([recipe.seed, 3, number])
        clips = prepare(data, domain, codecs, rng, note, anchors=recipe.mode == "mushra")
        for done in range(count):
            sounds = next(clips, None)
            if sounds is None:
                raise CodecError(too_few(domain, count, done))
            say(f"{domain} {done + 1}/{count}: {sounds.clip}")
            trials += _trials(root, sounds, recipe.mode)
            if len(checks) < recipe.checks:
                checks.append(_attention(root, sounds, recipe.mode))
        if training is None and (spare := next(clips, None)):
            training = _trials(root, spare, recipe.mode)[0]
    if training is None:
        note("no clip to spare for training: the first one is heard twice")
        first = trials[0]
        training = Trial(new_id(), first.clip, first.domain, first.reference, first.stimuli, first.seconds)
    if len(checks) < recipe.checks:
        raise CodecError(f"{recipe.checks} checks of attention need as many clips; there are {len(checks)}")
    per_rater = min(recipe.per_rater or len(trials), len(trials))
    return Study(
        title=recipe.title,
        mode=recipe.mode,
        seed=recipe.seed,
        conditions=conditions,
        trials=tuple(trials),
        training=training,
        per_rater=per_rater,
        invite=secrets.token_urlsafe(16),
        closes=recipe.closes.isoformat() if recipe.closes else None,
        made=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        notes=tuple(notes),
        briefing=recipe.briefing,
        checks=tuple(checks),
    )


def _conditions(codecs: Sequence[Reconstructor], recipe: Recipe) -> tuple[Condition, ...]:
    names = [codec.name for codec in codecs]
    twice = sorted({name for name in names if names.count(name) > 1 or name in (REFERENCE, *_CUTOFFS)})
    if twice:
        raise CodecError(f"codec {twice[0]!r} is named twice")
    if not codecs or sum(recipe.clips.values()) < 1 or min(recipe.clips.values()) < 0:
        raise CodecError("a listening test needs at least one codec and one clip")
    for codec in codecs:
        if not codec.trained:
            raise CodecError(f"{codec.name} has random weights: nobody should have to listen to it")
    if recipe.per_rater is not None and recipe.per_rater < 1:
        raise CodecError("a rater needs at least one trial")
    tested = tuple(Condition(c.name, "codec", c.bitrate / 1000, c.version) for c in codecs)
    if recipe.mode == "ab":
        if len(codecs) < 2:
            raise CodecError("a preference test needs at least two codecs")
        return tested
    anchors = tuple(Condition(name, "anchor") for name in (LOW_ANCHOR, MID_ANCHOR)) if recipe.mode == "mushra" else ()
    conditions = (Condition(REFERENCE, "reference"), *tested, *anchors)
    if recipe.mode == "mushra" and len(conditions) > MAX_STIMULI:
        raise CodecError(f"{len(conditions)} sounds in a trial are more than raters can compare; {MAX_STIMULI} at most")
    return conditions


def too_few(domain: str, asked: int, found: int) -> str:
    """Says that a domain has not as many clips as were asked for, and what to ask for.

    Example:
        >>> too_few("speech", 3, 2)
        '3 speech clips asked for, only 2 usable ones found; --clips says how many of each domain, here at most speech=2'
        >>> too_few("music", 3, 0)
        '3 music clips asked for, only 0 usable ones found; --clips says how many of each domain, here without music'
    """
    most = f"at most {domain}={found}" if found else f"without {domain}"
    return (
        f"{asked} {domain} clips asked for, only {found} usable ones found; --clips says how many of each domain, here {most}"
    )


def prepare(
    clips: Sequence[Clip],
    domain: str,
    codecs: Sequence[Reconstructor],
    rng: np.random.Generator,
    note: Callable[[str], None],
    anchors: bool = False,
) -> Iterator[Sounds]:
    """Usable clips of a domain in random order, each through every codec, equally loud and long.

    Args:
        clips: to choose from.
        domain: speech, music or sound.
        codecs: at their operating points.
        rng: decides the order, and the excerpts of long clips.
        note: told what was cut or left out, and why.
        anchors: add those of MUSHRA.

    Raises:
        CodecError: no clips of this domain, or a codec that fails again and again.
    """
    candidates = sorted((clip for clip in clips if clip.domain == domain), key=lambda clip: clip.name)
    if not candidates:
        raise CodecError(f"no {domain} clips; in a folder they belong below {domain}/")
    codecs = [in_time(codec, candidates) for codec in codecs]
    failures: dict[str, int] = {}
    for index in rng.permutation(len(candidates)):
        name = candidates[index].name
        try:
            wave, sample_rate = candidates[index].load()
            excerpt = take_excerpt(wave, sample_rate, rng)
        except CodecError as error:
            note(f"{name}: left out: {error}")
            continue
        if excerpt.note:
            note(f"{name}: {excerpt.note}")
        waves = {REFERENCE: excerpt.wave}
        try:
            for codec in codecs:
                waves[codec.name] = _through(codec, excerpt)
                failures[codec.name] = 0
        except CodecError as error:
            failures[codec.name] = failures.get(codec.name, 0) + 1
            if failures[codec.name] >= _TRIES:
                raise CodecError(f"{error}; it failed on {_TRIES} {domain} clips in a row") from error
            note(f"{name}: left out: {error}")
            continue
        for anchor, cutoff in _CUTOFFS.items() if anchors else ():
            waves[anchor] = low_pass(excerpt.wave, excerpt.sample_rate, cutoff)
        matched = match_loudness(waves, excerpt.sample_rate)
        yield Sounds(name, domain, {k: fade(w, excerpt.sample_rate) for k, w in matched.items()}, excerpt.sample_rate)


def _through(codec: Reconstructor, excerpt: Excerpt) -> np.ndarray:
    """An excerpt through a codec, as long as it was.

    Raises:
        CodecError: it failed, whatever the reason, or gave something that cannot be played.
    """
    try:
        wave = codec.decode(codec.encode(excerpt.wave, excerpt.sample_rate))
    except Exception as error:  # other people's codecs fail in their own ways
        raise CodecError(f"{codec.name} failed ({type(error).__name__}: {error})") from error
    if wave.ndim != 1 or not len(wave) or not np.isfinite(wave).all():
        raise CodecError(f"{codec.name} failed (output of shape {wave.shape} or not finite)")
    return fit(wave, len(excerpt.wave))


def _trials(root: Path, sounds: Sounds, mode: Mode) -> list[Trial]:
    """What is rated of one clip: everything at once, every pair, or every sound alone."""
    rate = sounds.sample_rate
    if mode in ("bs1116", "abx"):
        return [_pair(root, sounds, name, mode) for name in sounds.waves if name != REFERENCE]
    rated = [
        Stimulus(_write(root, wave, rate), name) for name, wave in sounds.waves.items() if mode != "ab" or name != REFERENCE
    ]
    # The open reference is a file of its own: with the name of the hidden one it would give it away.
    reference = None if mode == "acr" else _write(root, sounds.waves[REFERENCE], rate)
    groups: dict[Mode, Sequence[tuple[Stimulus, ...]]] = {
        "mushra": [tuple(rated)],
        "ab": list(combinations(rated, 2)),
        "acr": [(stimulus,) for stimulus in rated],
    }
    seconds = len(sounds.waves[REFERENCE]) / rate
    return [Trial(new_id(), sounds.clip, sounds.domain, reference, group, seconds) for group in groups[mode]]


def _attention(root: Path, sounds: Sounds, mode: Mode) -> Trial:
    """A trial with an answer that nobody who listens can miss."""
    original, rate = sounds.waves[REFERENCE], sounds.sample_rate
    dull = match_loudness({REFERENCE: original, CHECK: low_pass(original, rate, CHECK_HZ)}, rate)
    trial = _pair(root, replace(sounds, waves=dull), CHECK, mode)
    if mode == "acr":
        return replace(trial, reference=None, stimuli=trial.stimuli[1:], check=True)
    return replace(trial, check=True)


def _pair(root: Path, sounds: Sounds, name: str, mode: Mode) -> Trial:
    """The original and a codec's sound beside the open original; every file is new, so that names give nothing away."""
    rate, original, coded = sounds.sample_rate, sounds.waves[REFERENCE], sounds.waves[name]
    hidden = Stimulus(_write(root, original, rate), REFERENCE), Stimulus(_write(root, coded, rate), name)
    other = _write(root, coded, rate) if mode == "abx" else None
    reference = _write(root, original, rate)
    return Trial(new_id(), sounds.clip, sounds.domain, reference, hidden, len(original) / rate, other)


def _write(root: Path, wave: np.ndarray, sample_rate: int) -> str:
    name = new_id()
    soundfile.write(root / "audio" / f"{name}.flac", wave, sample_rate, subtype="PCM_16")
    return name
