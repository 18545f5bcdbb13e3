"""Weights that their publisher only has as ``torch.save`` files, read as plain tensors."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from codec.errors import ModelError

_UNLIKE_WEIGHTS = (
    OSError,
    RuntimeError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    EOFError,
    pickle.UnpicklingError,
)


def load_tensors(network: torch.nn.Module, path: Path, convert: Callable[[Any], Any] = lambda content: content) -> None:
    """Fills a network from a file; nothing in it is executed.

    Args:
        network: to fill.
        path: of the file.
        convert: from what the file holds to the network's state dict.

    Raises:
        ModelError: damaged, not plain tensors, or weights of something else.
    """
    try:
        network.load_state_dict(convert(torch.load(path, map_location="cpu", weights_only=True)))
    except _UNLIKE_WEIGHTS as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(f"{path}: not weights of {type(network).__name__} ({first})") from error
