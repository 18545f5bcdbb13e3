"""HEAR's task folders."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from codec.audio.io import read_audio
from codec.errors import CodecError
from eval.semantics.interface import SPLITS

METRICS = ("top1_acc", "pitch_acc", "chroma_acc", "mAP")
FEWEST_FOLDS = 3
"""One to test, one to validate, one to train."""


@dataclass(frozen=True)
class HearFolder:
    """A task on disk.

    Attributes:
        path: the folder, with ``task_metadata.json``, ``labelvocabulary.csv``, ``<split>.json`` and ``<rate>/<split>/*.wav``.
        name: of the task.
        metric: that counts: the first one that its metadata name.
        multilabel: several labels a clip, or none.
        names: labels in order.
        splits: labels by file and split: ``train``, ``valid``, ``test`` or ``fold00`` and so on.
        sample_rate: of the audio in use, in Hz.
    """

    path: Path
    name: str
    metric: str
    multilabel: bool
    names: tuple[str, ...]
    splits: dict[str, dict[str, tuple[str, ...]]]
    sample_rate: int

    @property
    def folded(self) -> bool:
        """Whether it has folds instead of splits."""
        return "train" not in self.splits

    def wave(self, split: str, file: str) -> np.ndarray:
        """``(samples,)`` of a clip.

        Raises:
            CodecError: missing, unreadable, or at another rate than its folder says.
        """
        path = self.path / str(self.sample_rate) / split / file
        wave, rate = read_audio(path)
        if rate != self.sample_rate:
            raise CodecError(f"{path}: {rate} Hz in a folder for {self.sample_rate} Hz (task {self.name})")
        if not wave.shape[1]:
            raise CodecError(f"{path}: no audio in it (task {self.name})")
        return wave.mean(0)


def open_folder(path: Path) -> HearFolder:
    """Reads a task's metadata.

    Raises:
        CodecError: a file or split is missing, or of a kind that is not scored here.
    """
    meta = _json(path / "task_metadata.json")
    name = str(meta.get("task_name", path.name))
    kind, wanted = meta.get("prediction_type"), meta.get("evaluation")
    if meta.get("embedding_type") != "scene" or kind not in ("multiclass", "multilabel"):
        raise CodecError(f"{path}: only scene tasks with classes are scored here, not {meta.get('embedding_type')} {kind}")
    metric = str(wanted[0]) if isinstance(wanted, list) and wanted else ""
    if metric not in METRICS:
        raise CodecError(f"{path}: its metric {metric!r} is not one of {', '.join(METRICS)}")
    splits = {file.stem: _labels(file) for file in sorted(path.glob("*.json")) if file.name != "task_metadata.json"}
    folds = {key: value for key, value in splits.items() if key.startswith("fold")}
    if folds and len(folds) < FEWEST_FOLDS:
        raise CodecError(f"{path}: {len(folds)} folds; at least {FEWEST_FOLDS} are needed (task {name})")
    if not folds and (missing := sorted(set(SPLITS) - set(splits))):
        raise CodecError(f"{path}: no {', '.join(missing)}.json (task {name})")
    chosen = folds or {split: splits[split] for split in SPLITS}
    return HearFolder(path, name, metric, kind == "multilabel", _vocabulary(path), chosen, _rate(path))


def _json(path: Path) -> dict[str, object]:
    try:
        value = json.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise CodecError(f"{path}: {error.strerror}; this is not a HEAR task folder") from error
    except (ValueError, RecursionError) as error:
        raise CodecError(f"{path}: not JSON ({error})") from error
    if not isinstance(value, dict):
        raise CodecError(f"{path}: not a JSON object")
    return value


def _labels(path: Path) -> dict[str, tuple[str, ...]]:
    rows = _json(path)
    if not rows or not all(isinstance(value, list) for value in rows.values()):
        raise CodecError(f"{path}: a list of labels for every file is expected")
    return {file: tuple(map(str, labels)) for file, labels in sorted(rows.items())}  # type: ignore[call-overload]


def _vocabulary(path: Path) -> tuple[str, ...]:
    try:
        with (path / "labelvocabulary.csv").open(encoding="utf-8-sig", newline="") as handle:
            rows = sorted((int(row["idx"]), row["label"]) for row in csv.DictReader(handle))
    except OSError as error:
        raise CodecError(f"{path / 'labelvocabulary.csv'}: {error.strerror}") from error
    except (KeyError, ValueError, TypeError, csv.Error) as error:
        raise CodecError(f"{path / 'labelvocabulary.csv'}: columns idx and label are expected ({error})") from error
    if [index for index, _ in rows] != list(range(len(rows))) or not rows:
        raise CodecError(f"{path / 'labelvocabulary.csv'}: its numbers are not 0, 1, 2 …")
    return tuple(label for _, label in rows)


def _rate(path: Path) -> int:
    rates = sorted(int(folder.name) for folder in path.iterdir() if folder.is_dir() and folder.name.isdigit())
    if not rates:
        raise CodecError(f"{path}: no folder of audio such as 48000 or 16000")
    # Embedders resample by themselves: the best there is.
    return rates[-1]
