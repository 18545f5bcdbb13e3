"""Where networks run."""

from __future__ import annotations

import torch

from codec.errors import CodecError


def find_device(name: str | torch.device) -> torch.device:
    """A device that is there.

    Args:
        name: ``cpu``, ``cuda`` (or ``cuda:1``), ``auto`` for a GPU if there is one, or any other that torch knows.

    Raises:
        CodecError: no such device here.

    Example:
        >>> find_device("cpu")
        device(type='cpu')
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).cpu()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).partition("\n")[0].partition(". ")[0][:100]
        raise CodecError(f"device {str(name)!r} is not there; use cpu, or auto for a GPU if there is one ({reason})") from error
    return device
