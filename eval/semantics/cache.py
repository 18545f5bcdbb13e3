"""Embeddings kept on disk, so that a killed run goes on where it was and a new head costs no new embedding."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from codec.atomic import atomic_write
from codec.errors import CodecError
from codec.provenance import code_version, sha256_of
from eval.semantics.embeddings.columns import Columns
from eval.semantics.interface import Embedder
from eval.semantics.scores import Mode
from eval.semantics.xares.examples import Example, embed_tars
from eval.semantics.xares.tasks import TaskDefinition

FOLDER = ".embeddings"
FORMAT = 1
CODE = ("codec", "quantizers", "eval/semantics")
"""That vectors depend on, besides weights and recordings."""


class Cache:
    """`embed_tars` that remembers.

    A file is found by the content of the tar files, how the task cuts them, mode, name and ``version`` of the embedder, and
    the code that embeds; embedders without a ``version`` are not kept, since nothing would tell when their weights change.

    Args:
        folder: of the files, created when the first one is written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._code = folder, code_version(*CODE)

    def __call__(self, tars: Sequence[Path], task: TaskDefinition, embedder: Embedder, mode: Mode) -> list[Example]:
        """Examples of one split.

        Raises:
            CodecError: as `embed_tars`, or the folder cannot be written.
        """
        if isinstance(embedder, Columns):
            # Means over time of some columns are those columns of the means, so all streams of a codec share one file.
            whole = self(tars, task, embedder.whole, mode)
            return [replace(example, vectors=example.vectors[..., embedder.chosen]) for example in whole]
        version = getattr(embedder, "version", None)
        if version is None:
            return embed_tars(tars, task, embedder, mode)
        path = self._folder / f"{_key(self._code, tars, task, embedder.name, version, mode)}.npz"
        if (kept := _read(path)) is not None:
            return kept
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CodecError(f"{self._folder}: cannot keep embeddings ({error.strerror}); choose another: --cache") from error
        examples = embed_tars(tars, task, embedder, mode)
        _write(path, examples)
        return examples


def _key(code: str, tars: Sequence[Path], task: TaskDefinition, name: str, version: str, mode: Mode) -> str:
    how = [task.kind, task.crop_seconds, task.label, task.separator, task.sample_rate]
    how += [task.encode_batch] if mode == "compatible" else []
    parts = [FORMAT, code, name, version, mode, how, [(tar.name, sha256_of(tar)) for tar in tars]]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def _read(path: Path) -> list[Example] | None:
    """None if there is no such file, or one that is damaged."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            vectors, ends, rows = stored["vectors"], stored["ends"], json.loads(str(stored["rows"]))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    parts = np.split(vectors, ends[:-1])
    examples = []
    for row, part in zip(rows, parts, strict=True):
        events = tuple((float(a), float(b), str(label)) for a, b, label in row.pop("events"))
        flat = row.pop("flat")
        examples.append(Example(**{**row, "labels": tuple(row["labels"])}, events=events, vectors=part[0] if flat else part))
    return examples


def _write(path: Path, examples: Sequence[Example]) -> None:
    parts = [np.atleast_2d(example.vectors) for example in examples]
    rows = [{**asdict(replace(e, vectors=np.zeros(0))), "flat": e.vectors.ndim == 1} for e in examples]
    for row in rows:
        del row["vectors"]
    with atomic_write(path) as handle:
        np.savez(
            handle,
            vectors=np.concatenate(parts) if parts else np.zeros((0, 0), np.float32),
            ends=np.cumsum([len(part) for part in parts], dtype=np.int64),
            rows=np.array(json.dumps(rows)),
        )
