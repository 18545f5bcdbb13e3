"""Runs the real ``xares`` package, unchanged, on our embedders: writes the small files that it wants and reads its scores."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from codec.atomic import atomic_write
from codec.errors import CodecError
from eval.semantics.interface import TaskCard
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


def prepare(folder: Path, embedders: Sequence[str], tasks: Sequence[Path]) -> tuple[dict[str, str], dict[str, str]]:
    """Lays out a working folder: one encoder file per embedder, one task file per task, and links to the tar files.

    Returns:
        Encoder files by embedder and task files by task, to be given to ``python -m xares.run`` inside the folder.

    Raises:
        CodecError: a task that the package's public tasks do not have and that is not a clip classification.
    """
    folder.mkdir(parents=True, exist_ok=True)
    encoders: dict[str, str] = {}
    for name in embedders:
        cls = class_name(name)
        encoders[name] = f"{re.sub(r'(?<!^)(?=[A-Z])', '_', cls).lower()}.py"
        _write(folder / encoders[name], _ENCODER.format(name=name, cls=cls))
    files: dict[str, str] = {}
    for source in tasks:
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
    return encoders, files


def run_real(folder: Path, embedders: Sequence[str], tasks: Sequence[Path]) -> list[RealScore]:
    """Runs the package once per embedder and reads the scores that it leaves.

    Raises:
        CodecError: the package is missing, or left no score.
    """
    if importlib.util.find_spec("xares") is None:
        raise CodecError("the xares package is not installed: pip install 'semcodec[xares]'")
    encoders, files = prepare(folder, embedders, tasks)
    scores = []
    for name, encoder in encoders.items():
        # Several jobs need several GPUs; 0 means: in this process.
        command = [sys.executable, "-m", "xares.run", encoder, *files.values(), "--max-jobs", "0"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        for task in files:
            kept = folder / "env" / task / "checkpoints" / class_name(name)
            score = RealScore(task, name, _read(kept / "mlp_score.txt"), _read(kept / "knn_score.txt"))
            if score.mlp is None or score.knn is None:
                log = folder / f"{encoder}.log"
                _write(log, done.stdout + done.stderr)
                raise CodecError(f"xares left no score of {name} on {task} (exit code {done.returncode}); see {log}")
            scores.append(score)
    return scores


def _read(path: Path) -> float | None:
    return float(path.read_text().split()[0]) if path.is_file() else None


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
