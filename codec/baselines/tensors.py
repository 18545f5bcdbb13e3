"""Weights that their publisher only has as ``torch.save`` files, read as plain tensors."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import torch

from codec.errors import ModelError


def load_tensors(network: torch.nn.Module, path: Path, rename: Callable[[str], str] = lambda name: name) -> None:
    """Fills a network from a state dict; nothing in the file is executed.

    Args:
        network: to fill.
        path: of the file.
        rename: from the file's name of a tensor to the network's.

    Raises:
        ModelError: damaged, not plain tensors, or weights of something else.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict({rename(name): tensor for name, tensor in state.items()})
    except (OSError, RuntimeError, ValueError, TypeError, AttributeError, EOFError, pickle.UnpicklingError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(f"{path}: not weights of {type(network).__name__} ({first})") from error
