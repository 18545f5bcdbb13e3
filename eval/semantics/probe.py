"""``codec probe run``: embedders × tasks × heads, task by task; what fails is reported and the rest goes on."""

from __future__ import annotations

import json as jsonlib
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from codec.errors import CodecError
from eval.semantics.cache import Cache
from eval.semantics.history import EVERYTHING, Asked, begin
from eval.semantics.interface import CARD_NAME, Embedder, learned_by
from eval.semantics.scores import MAJORITY, Failure, HeadName, Mode, Results, Score, Suite
from eval.semantics.xares.examples import embed_tars
from eval.semantics.xares.run import Embed, run_majority, run_task
from eval.semantics.xares.tasks import BY_NAME, TaskDefinition, card_of, from_card

UNHEARD = ("accuracy", "EER_inv", "segmentf1_macro", "segmentf1_micro")
"""Metrics of which it is known what they are without listening."""


def find_tasks(root: Path, only: Sequence[str] = ()) -> list[Path]:
    """Folders of tasks below a root: with a ``task.json``, or with tar files.

    Args:
        root: folder of task folders.
        only: names of those that are wanted; all if empty.

    Raises:
        CodecError: none there, or not all that are wanted.
    """
    folders = [f for f in sorted(root.iterdir()) if f.is_dir() and not f.name.startswith(".")] if root.is_dir() else []
    folders = [f for f in folders if (f / CARD_NAME).is_file() or f.name in BY_NAME or next(f.glob("*.tar"), None)]
    if not folders:
        raise CodecError(f"{root}: no task folders here; build some with: codec probe tasks")
    if missing := set(only) - {folder.name for folder in folders}:
        raise CodecError(f"{root}: no task {min(missing)!r}; there are {', '.join(folder.name for folder in folders)}")
    return [folder for folder in folders if not only or folder.name in only]


def open_untrained(name: str) -> Embedder | None:
    """A codec's embedder, with random weights where the trained ones are not on this machine; it says so by ``trained``.

    Returns:
        None if it is not the name of another project's codec.

    Raises:
        CodecError: it is one, and something else is missing.
    """
    from codec.baselines.registry import is_known, load_tokenizer
    from eval.semantics.embeddings.tokens import codec_ids, codec_vectors

    plain = name.removesuffix(":ids")
    if not is_known(plain):
        return None
    codec = load_tokenizer(plain, trained_only=False)
    return codec_vectors(codec, name) if plain == name else codec_ids(codec, name)


def definition_of(folder: Path) -> tuple[TaskDefinition, Suite]:
    """What a task's folder is: its card, or the X-ARES task of its name.

    Raises:
        CodecError: neither.
    """
    if (folder / CARD_NAME).is_file():
        return from_card(card_of(folder)), "tasks"
    if folder.name in BY_NAME:
        return BY_NAME[folder.name], "xares"
    raise CodecError(f"{folder}: no {CARD_NAME}, and {folder.name} is not a task of X-ARES")


def run_probes(
    embedders: Sequence[str],
    load: Callable[[str], Embedder],
    tasks: Sequence[Path],
    heads: Sequence[HeadName],
    modes: Sequence[Mode],
    output: Path,
    seed: int,
    json: bool = False,
    cache: Path | None = None,
) -> Results:
    """Scores every embedder on every task and writes ``<output>/probe.json`` after each, beside what earlier runs found.

    Args:
        embedders: names.
        load: makes an embedder of a name.
        tasks: their folders.
        heads: ``knn``, ``mlp``.
        modes: corrected, compatible.
        output: folder.
        seed: of the heads.
        json: print a JSON line for each score instead of a table's row.
        cache: folder for embeddings; None: nothing is kept.

    Returns:
        What this run found.

    Raises:
        CodecError: something else is called ``probe.json`` there.
    """
    embed: Embed = embed_tars if cache is None else Cache(cache)
    results, history = Results(), begin(output / "probe.json", Asked(tasks, heads, modes, seed))
    results.tasks = {folder.name: facts for folder in tasks if (facts := _facts(folder))}
    for number, name in enumerate(embedders, 1):
        _say(f"embedder {number} of {len(embedders)}, {name}, on {len(tasks)} tasks …")
        embedder = _opened(name, load, "tasks")
        if isinstance(embedder, Failure):
            _tell(results, embedder, json)
            continue
        history.opened(embedder)
        for folder in tasks:
            for found in _score(folder, embedder, heads, modes, seed, embed):
                _tell(results, found, json)
            history.write(results)
    _majorities(tasks, results, json)
    history.write(results)
    return results


def run_hear(
    embedders: Sequence[str], load: Callable[[str], Embedder], root: Path, output: Path, seed: int, json: bool = False
) -> Results:
    """Scores every embedder on every task folder of HEAR below a root and writes ``<output>/hear.json``, as `run_probes` does.

    Raises:
        CodecError: no task folders there, or something else is called ``hear.json``.
    """
    from eval.semantics.hear.probe import Budget, probe

    folders = sorted(path.parent for path in root.glob("*/task_metadata.json"))
    if not folders:
        raise CodecError(f"{root}: no HEAR task folders (with task_metadata.json) here")
    results, history = Results(), begin(output / "hear.json", Asked(folders, (), (), seed))
    for number, name in enumerate(embedders, 1):
        _say(f"embedder {number} of {len(embedders)}, {name}, on {len(folders)} tasks …")
        embedder = _opened(name, load, "hear")
        if isinstance(embedder, Failure):
            _tell(results, embedder, json)
            continue
        history.opened(embedder)
        for folder in folders:
            try:
                _tell(results, probe(folder, embedder, Budget(seed=seed)), json)
            except CodecError as error:
                _tell(results, Failure("hear", folder.name, name, str(error)), json)
        history.write(results)
    return results


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _opened(name: str, load: Callable[[str], Embedder], suite: Suite) -> Embedder | Failure:
    """An embedder, or why there is none: weights of other projects fail in ways of their own."""
    try:
        return load(name)
    except (CodecError, OSError, RuntimeError) as error:
        return Failure(suite, EVERYTHING, name, str(error) or type(error).__name__)


def _score(
    folder: Path, embedder: Embedder, heads: Sequence[HeadName], modes: Sequence[Mode], seed: int, embed: Embed
) -> Iterator[Score | Failure]:
    try:
        task, suite = definition_of(folder)
    except CodecError as error:
        yield Failure("tasks", folder.name, embedder.name, str(error))
        return
    told, learned = set[str](), folder.name in learned_by(embedder)
    for mode in modes:
        try:
            for score in run_task(task, folder, embedder, heads, mode, suite, seed, embed):
                yield replace(score, learned=learned)
        except CodecError as error:
            yield from (replace(score, learned=learned) for score in getattr(error, "scores", ()))
            if str(error) not in told:
                yield Failure(suite, folder.name, embedder.name, str(error))
            told.add(str(error))


def _facts(folder: Path) -> dict[str, object]:
    """What a card says; nothing where it cannot be read, which scoring the task will report."""
    try:
        card = card_of(folder)
    except CodecError:
        return {}
    return {"classes": len(card.classes), "source": card.source, "held_out": card.held_out, "seen": card.seen}


def _majorities(tasks: Sequence[Path], results: Results, json: bool) -> None:
    for folder in tasks:
        like = next((s for s in results.scores if s.task == folder.name and s.metric in UNHEARD), None)
        if like is None:
            continue
        try:
            _tell(results, run_majority(definition_of(folder)[0], folder, like), json)
        except CodecError as error:
            _tell(results, Failure(like.suite, folder.name, MAJORITY, str(error)), json)


def _tell(results: Results, found: Score | Failure, json: bool) -> None:
    if isinstance(found, Failure):
        results.failures.append(found)
        print(f"{found.embedder}: {found.reason}", file=sys.stderr)
        return
    results.scores.append(found)
    if json:
        print(jsonlib.dumps(asdict(found)), flush=True)
    else:
        mark = "  of labels that it was tuned on" if found.learned else ""
        print(f"{found.task:24} {found.embedder:32} {found.head:9} {found.mode:11} {found.value:6.1%}{mark}", flush=True)
