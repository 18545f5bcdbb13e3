"""A device that is not there: tensors on it do what they would do on a GPU, and refuse what a GPU refuses.

Arithmetic is done on the CPU behind it, so values can be compared; an operation on tensors of both devices is an error, as
are numpy's views of a tensor that lies there.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils._mode_utils import no_dispatch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

DEVICE = torch.device("meta")
"""The one device besides the CPU that torch always knows; real meta tensors hold nothing, these do."""
_MOVES = (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default)


class _Far(Tensor):
    """A tensor that says that it lies on `DEVICE`."""

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]
    inner: Tensor

    @staticmethod
    def __new__(cls, inner: Tensor) -> _Far:
        made: _Far = torch.Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls, inner.shape, inner.stride(), inner.storage_offset(), dtype=inner.dtype, device=DEVICE
        )
        made.inner = inner
        return made

    def tolist(self) -> Any:
        """As a GPU's tensor, which is copied for it; of subclasses torch wants none."""
        return self.inner.tolist()

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


def _run(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    tensors = [leaf for leaf in tree_flatten((args, kwargs))[0] if isinstance(leaf, Tensor)]
    kinds = {isinstance(tensor, _Far) for tensor in tensors if tensor.ndim}
    if len(kinds) > 1 and func not in _MOVES:
        raise RuntimeError(f"{func}: expected all tensors to be on the same device, but found {DEVICE} and cpu")
    inner, options = tree_map(lambda leaf: leaf.inner if isinstance(leaf, _Far) else leaf, (args, kwargs))
    far = any(isinstance(tensor, _Far) for tensor in tensors)
    if kwargs.get("device") is not None:
        far, options["device"] = torch.device(kwargs["device"]).type == DEVICE.type, torch.device("cpu")
    output = func(*inner, **options)
    if func._schema.is_mutable:  # what it changed is what it returns
        if torch.Tag.inplace_view in func.tags and isinstance(args[0], _Far):
            with no_dispatch():
                func(*args, **kwargs)
        return args[0]
    if func is torch.ops.aten._to_copy.default and output is inner[0]:
        output = output.clone()
    return tree_map(lambda leaf: _Far(leaf) if far and isinstance(leaf, Tensor) else leaf, output)


class FarDevice(TorchDispatchMode):
    """While it is entered, moving tensors and modules to `DEVICE` and back works as if there were such a device."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


def is_far(tensor: Tensor) -> bool:
    """Whether a tensor lies there."""
    return isinstance(tensor, _Far)
