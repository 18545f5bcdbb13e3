"""A network's config and weights as a stranger may have written them: looked at before they cost memory, never run."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from codec.bundled import FORMER, MAX_CONFIG_BYTES, as_fingerprint, former
from codec.config import ModelConfig
from codec.errors import ModelError, first_error
from codec.limits import check_file

MAX_WEIGHTS_BYTES = 8 << 30
FLOATS = ("F16", "BF16", "F32", "F64")
SPARE_WEIGHTS = 1 << 22
"""That a network may have beyond those in its file: filter banks, windows."""

Config = TypeVar("Config")
Network = TypeVar("Network", bound=nn.Module)


def read_config(path: Path, parse: Callable[[Any], Config]) -> Config:
    """What ``parse`` makes of a JSON file.

    Args:
        path: of the file.
        parse: may raise ``ValueError``, ``KeyError`` or ``TypeError``; `ModelError` and what pydantic raises keep their words.

    Raises:
        ModelError: not there, too large, no JSON, or refused by ``parse``.
    """
    try:
        check_file(path, MAX_CONFIG_BYTES)
        return parse(json.loads(path.read_text("utf-8-sig")))
    except ModelError:
        raise
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}") from error
    except ValidationError as error:
        raise ModelError(f"{path}: {first_error(error)}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelError(f"{path}: not a model's config ({type(error).__name__}: {error})") from error


def read_model_config(folder: Path) -> tuple[ModelConfig, str]:
    """Sizes of a model of our own, and its fingerprint.

    Raises:
        ModelError: not there, or not of such a model.
    """
    path = folder / "config.json"

    def parse(raw: Any) -> tuple[ModelConfig, str]:
        fingerprint = as_fingerprint(raw["fingerprint"])
        if isinstance(raw["model"], dict) and "architecture" not in raw["model"]:
            raise ModelError(former(f"{path}: {FORMER.get(fingerprint, 'this model')}"))
        return ModelConfig.read(raw["model"]), fingerprint

    return read_config(path, parse)


def load_network(build: Callable[[], Network], path: Path, derived: str | None = None) -> Network:
    """A network with the weights of a safetensors file; one that is larger than its file is refused before it is built.

    Args:
        build: makes the network, untrained.
        path: of the file.
        derived: prefix of tensors that follow from the config, and need not be in the file.

    Raises:
        ModelError: not readable, other tensors than the network has, or what is no finite number; or ``build`` refuses.
    """
    try:
        check_file(path, MAX_WEIGHTS_BYTES)
        with path.open("rb") as handle:
            if int.from_bytes(handle.read(8), "little") > MAX_CONFIG_BYTES:
                raise ModelError(f"{path}: its list of tensors is too long")
        return _filled(build, path, derived)
    except ModelError:
        raise
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path}: cannot be read ({error})") from error
    except (RuntimeError, ValueError) as error:
        raise ModelError(f"{path}: weights and config do not fit each other ({str(error).splitlines()[0]})") from error


def _filled(build: Callable[[], Network], path: Path, derived: str | None) -> Network:
    def is_stored(key: str) -> bool:
        return derived is None or not key.startswith(derived)

    with _Budget(path.stat().st_size // 2 + SPARE_WEIGHTS, path):
        network = build()
    state = network.state_dict()
    wanted = {key: list(value.shape) for key, value in state.items() if is_stored(key)}
    with safe_open(path, "pt") as tensors:
        found = [key for key in tensors.keys() if is_stored(key)]  # noqa: SIM118 - not a mapping
        for key in sorted(wanted.keys() ^ set(found)):
            raise ModelError(f"{path}: weights and config do not fit each other ({key})")
        for key in found:
            part = tensors.get_slice(key)
            if part.get_shape() != wanted[key]:
                raise ModelError(f"{path}: weights and config do not fit each other (shape of {key})")
            if part.get_dtype() not in FLOATS:
                raise ModelError(f"{path}: {key} holds {part.get_dtype()}, not floating point numbers")
        for key in found:
            if not state[key].copy_(tensors.get_tensor(key)).isfinite().all():
                raise ModelError(f"{path}: {key} holds what is not a finite number")
    return network


class _Budget(TorchDispatchMode):
    """Refuses what a network allocates while it is built, once that is more than its file can fill.

    The meta device would tell shapes too, but its first use imports a compiler: two seconds of every start.

    Args:
        weights: that may be allocated.
        path: of the file.
    """

    def __init__(self, weights: int, path: Path) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._left, self._path = weights, path

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # telling that compiler to look away would import it, too

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten.eye.m:
            self._take(args[:2])
        elif args and isinstance(args[0], list) and all(isinstance(size, int) for size in args[0]):
            self._take(args[0])
        return func(*args, **(kwargs or {}))

    def _take(self, shape: Any) -> None:
        self._left -= math.prod(shape)
        if self._left < 0:
            raise ModelError(f"{self._path}: weights and config do not fit each other (too few weights)")
