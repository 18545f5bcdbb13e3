"""Our own runner of X-ARES tasks: offline, seeded, and with the defects of version 0.1.3 either repeated or corrected.

| | compatible | corrected |
|---|---|---|
| padding | batches are filled up with silence, which enters every mean | true lengths |
| crops of one clip | all but the first in a batch are lost; each is scored alone | all count, and a clip is scored once |
| choosing the epoch | k-fold: on the test fold | on the next fold |
| | valid = test: on the test split | on a tenth of the training clips |
| k-NN | training vectors not scaled to length 1, but their dimensions over the training set | cosine |
| frame segments | a whole number of frames, the rest dropped | seconds, as in sed_eval |
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from torch.nn import functional as F

from codec.errors import CodecError
from eval.semantics.heads import metrics
from eval.semantics.heads.linear import Head, Loss, Schedule, train_head
from eval.semantics.heads.neighbours import vote
from eval.semantics.heads.retrieval import train_retrieval
from eval.semantics.interface import Embedder
from eval.semantics.scores import HEADS, MAJORITY, HeadName, Mode, Score, Suite
from eval.semantics.xares.examples import Example, embed_tars
from eval.semantics.xares.frames import all_active, score_frames
from eval.semantics.xares.tasks import TaskDefinition
from eval.semantics.xares.verification import score_verification

Embed = Callable[[Sequence[Path], TaskDefinition, Embedder, Mode], list[Example]]
"""Like `embed_tars`."""
HELD_OUT = 10
"""One of so many training clips goes to validation where a task has no validation split of its own."""
UNHEARD_PAIRS = 0.5
"""1 less the equal error rate of who cannot tell pairs apart."""


class PartlyScoredError(CodecError):
    """A head that could not score a task, with what the other heads did."""

    def __init__(self, reason: str, scores: Sequence[Score]) -> None:
        super().__init__(reason)
        self.scores = tuple(scores)


@dataclass(frozen=True)
class Round:
    """One training and test: the only one, or one fold.

    Attributes:
        train: for the trained head.
        valid: to choose its epoch.
        test: to score.
        neighbours: what k-NN may look up; with folds, everything that is not tested.
    """

    train: list[Example]
    valid: list[Example]
    test: list[Example]
    neighbours: list[Example]


def run_task(
    task: TaskDefinition,
    folder: Path,
    embedder: Embedder,
    heads: Sequence[HeadName],
    mode: Mode,
    suite: Suite,
    seed: int = 42,
    embed: Embed = embed_tars,
) -> list[Score]:
    """Scores one embedder on one task.

    Args:
        task: its definition.
        folder: with its tar files.
        embedder: of audio.
        heads: ``knn``, ``mlp``; those that do not fit the task are left out.
        mode: compatible or corrected.
        suite: that the scores are filed under.
        seed: of first weights and order.
        embed: `embed_tars`, or one that remembers.

    Raises:
        PartlyScoredError: a head failed; the others were tried.
        CodecError: the task cannot be scored; says which file or split is to blame.
    """
    try:
        return _run(task, folder, embedder, heads, mode, suite, seed, embed)
    except PartlyScoredError:
        raise
    except CodecError as error:
        raise _named(task, error) from error


def _named(task: TaskDefinition, error: CodecError) -> CodecError:
    """The same with the task in front, once."""
    front, reason = f"task {task.name}: ", str(error)
    return CodecError(reason if reason.startswith(front) else front + reason)


def _run(
    task: TaskDefinition,
    folder: Path,
    embedder: Embedder,
    heads: Sequence[HeadName],
    mode: Mode,
    suite: Suite,
    seed: int,
    embed: Embed,
) -> list[Score]:
    if task.kind in ("retrieval", "verification") and mode == "compatible":
        return []  # X-ARES cuts captions up with BERT's tokenizer, we into words; it does not verify
    if task.kind == "asr":
        raise CodecError(
            f"task {task.name}: speech recognition needs the language model of the xares package, which runs it with its own "
            "task file and an encoder file that codec probe xares --prepare writes"
        )
    tars = task.tars(folder)
    parts: dict[tuple[Path, ...], list[Example]] = {}
    for paths in tars.values():
        if tuple(paths) not in parts:
            parts[tuple(paths)] = embed(paths, task, embedder, mode)
    splits = {name: parts[tuple(paths)] for name, paths in tars.items()}
    rounds = list(_rounds(splits, task, mode))
    names = class_names(rounds, task)
    schedule = Schedule(task.epochs, task.batch_size, seed=seed)
    scores, failed = [], list[str]()
    for head in heads:
        if head == "majority" or (head == "knn" and not task.knn):
            continue
        try:
            values = [_score(part, task, head, mode, names, schedule, embedder.hop_seconds) for part in rounds]
            scores.append(_filed(task, embedder, head, mode, suite, values, rounds))
        except CodecError as error:
            failed.append(f"task {task.name}: {HEADS[head]}: {error}")
    if failed:
        raise PartlyScoredError("; ".join(failed), scores)
    return scores


def majority(rounds: Sequence[Round]) -> float:
    """What always answering with the most frequent training class scores; a clip counts once however many crops it has."""
    values = []
    for part in rounds:
        train, test = ({example.where: example.labels for example in split} for split in (part.train, part.test))
        most = Counter(label for labels in train.values() for label in labels).most_common(1)[0][0]
        values.append(np.mean([most in labels for labels in test.values()]))
    return float(np.mean(values))


def class_names(rounds: Sequence[Round], task: TaskDefinition) -> list[str]:
    """All classes in order.

    Raises:
        CodecError: a class that is not in ``task.json``, or one in valid or test that no training clip has.
    """
    known = {label for part in rounds for example in [*part.train, *part.neighbours] for label in _names(example)}
    if task.kind in ("retrieval", "verification"):
        return []
    for part in rounds:
        for split, examples in (("valid", part.valid), ("test", part.test)):
            for example in examples:
                if strange := set(_names(example)) - known:
                    raise CodecError(
                        f"task {task.name}: {example.where}: class {min(strange)!r} is in {split} but not in train"
                    )
    names = list(task.names) or sorted(known, key=lambda name: (len(name), name) if name.isdigit() else (0, name))
    if not known <= set(names):
        raise CodecError(f"task {task.name}: class {min(known - set(names))!r} is not in task.json")
    if task.classes and not task.names and len(names) > task.classes:
        raise CodecError(f"task {task.name}: {len(names)} classes in the tar files, but it has {task.classes}")
    return names


def _names(example: Example) -> Iterator[str]:
    yield from example.labels
    yield from (label for _, _, label in example.events)


def _rounds(splits: dict[str, list[Example]], task: TaskDefinition, mode: Mode) -> Iterator[Round]:
    for name, examples in splits.items():
        if not examples:
            raise CodecError(f"task {task.name}: the {name} split is empty")
    if task.splits:
        train, valid, test = (splits[name] for name in ("train", "valid", "test"))
        if mode == "corrected" and train is test:
            raise CodecError(f"task {task.name}: training and test are the same files")
        if mode == "corrected" and valid is test:
            # Neighbours need no validation, they keep all of it.
            fit, held = _held_out(train)
            yield Round(fit, held, test, train)
        else:
            yield Round(train, valid, test, train)
        return
    names = list(splits)
    for number, name in enumerate(names):
        others = [key for key in names if key != name]
        rest = [example for key in others for example in splits[key]]
        after = names[(number + 1) % len(names)]
        if mode == "compatible":
            yield Round(rest, splits[name], splits[name], rest)
        elif len(names) < 3:
            raise CodecError(f"task {task.name}: {len(names)} folds are too few for training, validation and test")
        else:
            yield Round([e for key in others if key != after for e in splits[key]], splits[after], splits[name], rest)


def _held_out(train: list[Example]) -> tuple[list[Example], list[Example]]:
    """Whether a clip is held out, by a hash of its key: crops of a clip stay together, and the choice never changes."""
    chosen = {e.clip for e in train if int(hashlib.sha256(e.clip.encode()).hexdigest()[:8], 16) % HELD_OUT == 0}
    chosen = chosen or {train[0].clip}
    return [e for e in train if e.clip not in chosen], [e for e in train if e.clip in chosen]


def _score(
    part: Round, task: TaskDefinition, head: HeadName, mode: Mode, names: list[str], schedule: Schedule, hop_seconds: float
) -> float:
    if task.kind == "frame":
        return score_frames(part.train, part.valid, part.test, task, mode, names, schedule, hop_seconds)
    if task.kind == "verification":
        return score_verification(part.train, part.valid, part.test, head, schedule)
    if task.kind == "retrieval":
        captions = [[list(example.labels) for example in split] for split in (part.train, part.valid, part.test)]
        projection = train_retrieval(_stack(part.train), captions[0], (_stack(part.valid), captions[1]), schedule)
        return projection.score(_stack(part.test), captions[2])
    measure = _measure(task, mode, names)
    if head == "knn":
        known, labels = _stack(part.neighbours), _numbers(part.neighbours, names)
        return measure(vote(known, labels, _stack(part.test), len(names), by_dimension=mode == "compatible"), part.test)
    several = task.metric == "mAP"
    targets = _many_hot(part.train, names).astype(np.float32) if several else _numbers(part.train, names)
    loss: Loss = F.binary_cross_entropy_with_logits if several else F.cross_entropy

    def score(model: Head, examples: list[Example]) -> float:
        logits = model.scores(_stack(examples))
        return measure(_sigmoid(logits) if several else _softmax(logits), examples)

    model = train_head(_stack(part.train), targets, len(names), loss, lambda model: score(model, part.valid), schedule)
    return score(model, part.test)


def _measure(task: TaskDefinition, mode: Mode, names: list[str]) -> Callable[[np.ndarray, list[Example]], float]:
    def measure(scores: np.ndarray, examples: list[Example]) -> float:
        if mode == "corrected":
            scores, examples = by_clip(scores, examples)
        if task.metric == "mAP":
            return metrics.mean_average_precision(scores, _many_hot(examples, names), absent_as_zero=mode == "compatible")
        return metrics.accuracy(scores, _numbers(examples, names))

    return measure


def by_clip(scores: np.ndarray, examples: list[Example]) -> tuple[np.ndarray, list[Example]]:
    """Mean score over the crops of each clip, so that a clip counts once however long it is."""
    owners: dict[str, int] = {}
    rows = np.array([owners.setdefault(example.clip, len(owners)) for example in examples])
    sums = np.zeros((len(owners), scores.shape[1]))
    np.add.at(sums, rows, scores)
    first = {example.clip: example for example in reversed(examples)}
    return sums / np.bincount(rows)[:, None], [first[clip] for clip in owners]


def _filed(
    task: TaskDefinition,
    embedder: Embedder,
    head: HeadName,
    mode: Mode,
    suite: Suite,
    values: list[float],
    rounds: Sequence[Round],
) -> Score:
    return Score(
        suite=suite,
        task=task.name,
        embedder=embedder.name,
        head=head,
        mode=mode,
        metric=task.metric,
        value=float(np.mean(values)),
        weight=task.weight,
        train=_count(rounds[0].neighbours if head == "knn" else rounds[0].train, mode),
        test=sum(_count(part.test, mode) for part in rounds),
        folds=tuple(values) if len(values) > 1 else (),
        bitrate=embedder.bitrate,
        trained=embedder.trained,
        dim=embedder.dim,
    )


def _count(examples: Sequence[Example], mode: Mode) -> int:
    """Crops where each is scored alone, else clips."""
    return len(examples) if mode == "compatible" else len({example.where for example in examples})


def run_majority(task: TaskDefinition, folder: Path, like: Score) -> Score:
    """The row of a task that was scored as ``like`` of who hears nothing: the most frequent class, or all of them in every
    segment, or pairs by chance. Whatever ``like`` is, it is corrected: every clip counts once, padding cannot touch it.

    Raises:
        CodecError: the clips cannot be read any more, or there are too few folds.
    """
    try:
        return _majority(task, folder, like)
    except CodecError as error:
        raise _named(task, error) from error


def _majority(task: TaskDefinition, folder: Path, like: Score) -> Score:
    silent = _Silent()
    splits = {name: embed_tars(paths, task, silent, "corrected") for name, paths in task.tars(folder).items()}
    rounds = list(_rounds(splits, task, "corrected"))
    if task.kind == "verification":
        value = UNHEARD_PAIRS
    elif task.kind == "frame":
        value = float(np.mean([all_active(part.test, task, class_names(rounds, task)) for part in rounds]))
    else:
        value = majority(rounds)
    return replace(
        like,
        embedder=MAJORITY,
        head="majority",
        mode="corrected",
        value=value,
        train=_count(rounds[0].train, "corrected"),
        test=sum(_count(part.test, "corrected") for part in rounds),
        folds=(),
        bitrate=None,
        trained=True,
        learned=False,
        dim=0,
    )


class _Silent:
    """An embedder that hears nothing."""

    name, dim, hop_seconds, trained = MAJORITY, 1, 1.0, True
    bitrate: float | None = None

    def embed(self, waves: Sequence[np.ndarray], sample_rate: int) -> list[np.ndarray]:
        return [np.zeros((1, 1), np.float32) for _ in waves]


def _stack(examples: Sequence[Example]) -> np.ndarray:
    return np.stack([example.vectors for example in examples])


def _numbers(examples: Sequence[Example], names: list[str]) -> np.ndarray:
    number = {name: index for index, name in enumerate(names)}
    return np.array([number[example.labels[0]] for example in examples])


def _many_hot(examples: Sequence[Example], names: list[str]) -> np.ndarray:
    return np.array([[name in example.labels for name in names] for example in examples])


def _softmax(logits: np.ndarray) -> np.ndarray:
    raised = np.exp(logits - logits.max(1, keepdims=True))
    return raised / raised.sum(1, keepdims=True)


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(logits, -60, 60)))
