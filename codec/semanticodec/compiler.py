"""Whether ``torch.compile`` can work on this machine."""

from __future__ import annotations

import importlib.util
import os
import shutil

import torch

from codec.errors import CodecError

COMPILERS = ("g++", "clang++", "c++", "cl")


def require_compiler(device: torch.device) -> None:
    """Makes sure before a long wait that there is what torch.compile needs.

    Raises:
        CodecError: no C++ compiler, or on a GPU no Triton.
    """
    chosen = os.environ.get("CXX")
    if not any(map(shutil.which, [chosen] if chosen else COMPILERS)):
        raise CodecError(f"compiling needs a C++ compiler, and there is no {chosen or COMPILERS[0]} here")
    if device.type == "cuda" and importlib.util.find_spec("triton") is None:
        raise CodecError("compiling for a GPU needs Triton: pip install triton, or do not compile")
