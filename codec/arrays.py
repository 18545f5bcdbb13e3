"""Tensors where torch is installed, numpy's arrays where it is not: what users give and are given."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from codec.errors import CodecError

if TYPE_CHECKING:
    from torch import Tensor


def has_torch() -> bool:
    """Whether torch is installed; it is not imported for that."""
    return find_spec("torch") is not None


def is_tensor(values: Any) -> bool:
    """Whether this is a tensor; nobody has one before torch was imported."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(values, torch.Tensor)


def as_array(values: Any) -> np.ndarray:
    """A tensor or an array as an array, on the CPU."""
    return values.detach().cpu().numpy() if is_tensor(values) else np.asarray(values)


def given(array: np.ndarray) -> Tensor:
    """What a user gets: a tensor, or the array itself where there is no torch, which has the same operators."""
    if not has_torch():
        return array  # type: ignore[return-value]  # as it says
    import torch

    return torch.from_numpy(array)


def like(array: np.ndarray, values: Any) -> Tensor:
    """An array as what a user gave: a tensor on the same device, or as `given` gives it."""
    made = given(array)
    return made.to(values.device) if is_tensor(values) else made


def as_codes(codes: Any, what: str = "codes") -> Tensor:
    """Integers of any type as int64: a tensor where it lies, an array as `given` gives it.

    Args:
        codes: of any shape.
        what: they are, for the message.

    Raises:
        CodecError: they are no integers.

    Example:
        >>> as_codes(np.array([1, 2], np.int16)).dtype
        torch.int64
    """
    if not is_tensor(codes):
        return given(as_integers(codes, what))
    kind = str(codes.dtype).removeprefix("torch.")
    if codes.is_floating_point() or codes.is_complex() or kind == "bool":
        raise CodecError(f"{what} of type {kind} are no integers; convert them: {what}.long()")
    return codes.long()


def as_integers(codes: Any, what: str = "codes") -> np.ndarray:
    """Integers of any type as an int64 array on the CPU.

    Raises:
        CodecError: they are no integers.
    """
    if is_tensor(codes):
        return as_array(as_codes(codes, what))
    if isinstance(codes, list | tuple):
        codes = [as_array(part) if is_tensor(part) else part for part in codes]
    try:
        array = np.asarray(codes)
    except (ValueError, TypeError, RuntimeError) as error:
        raise CodecError(f"{what} that are no array of integers: rows of several lengths, or what are no numbers") from error
    if array.size and array.dtype.kind not in "iu":  # of an empty list numpy makes floats
        raise CodecError(f"{what} of type {array.dtype} are no integers; convert them: {what}.astype('int64')")
    return array.astype(np.int64, copy=False)
