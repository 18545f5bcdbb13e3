"""Results of long computations on disk: whole or not at all, and never taken for those of something else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

Tensors = dict[str, Tensor]


class CheckpointError(ValueError):
    """A checkpoint that is damaged, or of something else."""


def write(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
    """Writes tensors, and what JSON can hold about them, as safetensors; under the name only when all is written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_name(path.name + ".new")
    try:
        whole = {name: tensor.contiguous() for name, tensor in tensors.items()}
        save_file(whole, str(staged), metadata={"kmeans": json.dumps(about)})
        staged.replace(path)
    finally:
        staged.unlink(missing_ok=True)


def read(path: Path) -> tuple[Tensors, dict[str, Any]]:
    """Reads what `write` wrote.

    Raises:
        CheckpointError: it is no such file, or a damaged one.
    """
    try:
        with safe_open(str(path), "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, json.loads(file.metadata()["kmeans"])  # noqa: SIM118
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path}: not a k-means checkpoint ({type(error).__name__}: {error}); delete it to start anew"
        ) from error


def mark_of(*parts: object) -> str:
    """A short name of what a result depends on: arrays by their bytes, all else by its ``repr``.

    Example:
        >>> mark_of(np.zeros(3), "seed", 0) == mark_of(np.zeros(3), "seed", 0)
        True
        >>> mark_of(np.zeros(3), "seed", 0) == mark_of(np.zeros(3), "seed", 1)
        False
    """
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        array = isinstance(part, np.ndarray)
        digest.update(repr((part.shape, part.dtype.str) if isinstance(part, np.ndarray) else part).encode())
        digest.update(np.ascontiguousarray(part).tobytes() if array else b"\0")
    return digest.hexdigest()


class Steps:
    """Keeps what the steps of a computation gave, so that one that was stopped goes on where it was.

    Args:
        folder: for a file of each step; None keeps nothing.
        mark: from `mark_of`, of all that the steps depend on.

    Example:
        >>> import tempfile
        >>> import torch
        >>> folder = Path(tempfile.mkdtemp())
        >>> Steps(folder, "some points")("sum", lambda: {"total": torch.tensor(3.0)})
        {'total': tensor(3.)}
        >>> Steps(folder, "some points")("sum", lambda: {"total": torch.tensor(4.0)})
        {'total': tensor(3.)}
    """

    def __init__(self, folder: Path | None, mark: str) -> None:
        self._folder, self._mark = folder, mark

    def path(self, name: str) -> Path | None:
        """Where a step's result lies."""
        return self._folder and self._folder / f"{name}.safetensors"

    def __call__(self, name: str, work: Callable[[], Tensors]) -> Tensors:
        """The result of a step, read if it was done before.

        Raises:
            CheckpointError: it was done for something else, or its file is damaged.
        """
        path = self.path(name)
        if path is not None and path.exists():
            return self._read(path)
        result = work()
        if path is not None:
            write(path, result, {"mark": self._mark})
        return result

    def _read(self, path: Path) -> Tensors:
        tensors, about = read(path)
        if about.get("mark") != self._mark:
            raise CheckpointError(f"{path}: of other points or settings; delete {path.parent} to start anew")
        return tensors
