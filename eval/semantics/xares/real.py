"""Runs the real ``xares`` package, unchanged, on our embedders: writes the small files that it wants and reads its scores."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from codec.atomic import atomic_write
from codec.errors import CodecError
from eval.semantics.embeddings.registry import ENCODERS
from eval.semantics.interface import CARD_NAME, TaskCard
from eval.semantics.scores import Failure
from eval.semantics.xares.encoder import class_name
from eval.semantics.xares.tasks import card_of, from_card

_ENCODER = '''"""Written by codec probe xares, for python -m xares.run."""

from eval.semantics.embeddings import open_embedder
from eval.semantics.xares.encoder import patch_audio_loading, wrap

patch_audio_loading()
{cls} = wrap(open_embedder({name!r}))
'''

_TASK = '''"""Written by codec probe xares, for python -m xares.run."""

from xares.task import TaskConfig

_CLASSES = {{name: number for number, name in enumerate({classes!r})}}


def {identifier}_config(encoder) -> TaskConfig:
    return TaskConfig(
        name={name!r},
        encoder=encoder,
        eval_weight={weight},
        train_split="wds-audio-train",
        valid_split="wds-audio-valid",
        test_split="wds-audio-test",
        label_processor=lambda fields: _CLASSES[fields["label"]],
        output_dim=len(_CLASSES),
        epochs={epochs},
        torch_num_threads=1,
    )
'''


@dataclass(frozen=True)
class RealScore:
    """What the package said of one encoder and task; None where it has no such score."""

    task: str
    embedder: str
    mlp: float | None
    knn: float | None

    @property
    def values(self) -> dict[str, float]:
        """Those that there are, by head."""
        return {head: value for head, value in (("MLP", self.mlp), ("kNN", self.knn)) if value is not None}


def prepare(folder: Path, embedders: Sequence[str], tasks: Sequence[Path]) -> tuple[dict[str, str], dict[str, str]]:
    """Lays out a working folder: one encoder file per embedder, one task file per task, and links to the tar files.

    What an earlier run left there of the same embedders and tasks goes: the package would take those scores for today's.

    Args:
        folder: to work in.
        embedders: names; paths in them may be relative.
        tasks: folders of our own tasks. Public tasks need no file of ours, the package has its own.

    Returns:
        Encoder files by embedder and task files by task, to be given to ``python -m xares.run`` inside the folder.

    Raises:
        CodecError: a folder that is not one of our tasks, or a task that is not a classification of clips.
    """
    folder.mkdir(parents=True, exist_ok=True)
    encoders: dict[str, str] = {}
    for name in embedders:
        cls = class_name(name)
        encoders[name] = f"{re.sub(r'(?<!^)(?=[A-Z])', '_', cls).lower()}.py"
        _write(folder / encoders[name], _ENCODER.format(name=absolute(name), cls=cls))
    files: dict[str, str] = {}
    for source in tasks:
        if not (source / CARD_NAME).is_file():
            raise CodecError(
                f"{source}: no {CARD_NAME}; codec probe xares takes our own task folders only. The package runs its public "
                "tasks with task files of its own and an encoder file that --prepare writes"
            )
        card = card_of(source)
        if card.kind != "clip" or card.metric != "accuracy":
            raise CodecError(f"{source}: only classification of clips can be handed to the xares package")
        identifier = "task_" + re.sub(r"\W", "_", card.name, flags=re.ASCII)
        files[card.name] = f"{identifier}.py"
        text = _TASK.format(
            name=card.name,
            classes=[str(name) for name in card.classes],
            identifier=identifier,
            weight=int(card.weight),
            epochs=from_card(card).epochs,
        )
        _write(folder / files[card.name], text)
        _link(card, source, folder / "env" / card.name)
        for name in embedders:
            for kept in ("checkpoints", "embeddings"):
                shutil.rmtree(folder / "env" / card.name / kept / class_name(name), ignore_errors=True)
    return encoders, files


def absolute(name: str) -> str:
    """An embedder's name whose relative paths hold in any working folder.

    Example:
        >>> absolute("logmel+hubert:facebook/hubert-base-ls960|dc")
        'logmel+hubert:facebook/hubert-base-ls960|dc'
        >>> absolute("logmel+peer:.|dc") == f"logmel+peer:{Path.cwd()}|dc"
        True
    """
    plain, bar, words = name.partition("|")
    parts = []
    for part in plain.split("+"):
        family, _, weights = part.partition(":")
        # What is no path is a name on a hub.
        is_path = family in ENCODERS and weights and Path(weights).exists()
        parts.append(f"{family}:{Path(weights).resolve()}" if is_path else part)
    return "+".join(parts) + bar + words


def run_real(folder: Path, embedders: Sequence[str], tasks: Sequence[Path]) -> Iterator[RealScore | Failure]:
    """Runs the package once per embedder and reads the scores that it leaves; where one is missing, the others still count.

    Raises:
        CodecError: the package is missing, or a task cannot be given to it.
    """
    if importlib.util.find_spec("xares") is None:
        raise CodecError("the xares package is not installed: pip install 'semcodec[xares]'")
    encoders, files = prepare(folder, embedders, tasks)
    for name, encoder in encoders.items():
        # Several jobs need several GPUs; 0 means: in this process.
        command = [sys.executable, "-m", "xares.run", encoder, *files.values(), "--max-jobs", "0"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, encoding="utf-8", check=False)
        for task in files:
            kept = folder / "env" / task / "checkpoints" / class_name(name)
            found = {head: _read(kept / f"{head}_score.txt") for head in ("mlp", "knn")}
            if any(value is not None for value in found.values()):
                yield RealScore(task, name, **found)
            missing = [head for head, value in found.items() if value is None]
            if missing:
                log = folder / f"{encoder}.log"
                _write(log, done.stdout + done.stderr)
                reason = f"xares left no {' or '.join(missing)} score of {name} on {task} (exit code {done.returncode})"
                yield Failure("tasks", task, name, f"{reason}; see {log}")


def _read(path: Path) -> float | None:
    return float(path.read_text("utf-8").split()[0]) if path.is_file() else None


def _link(card: TaskCard, source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for split in ("train", "valid", "test"):
        for tar in card.tars(source.parent, split):
            link = target / tar.name
            link.unlink(missing_ok=True)
            link.symlink_to(tar.resolve())
    # Tells the package that nothing is to be downloaded.
    (target / ".audio_tar_ready").touch()


def _write(path: Path, text: str) -> None:
    with atomic_write(path) as handle:
        handle.write(text.encode())
