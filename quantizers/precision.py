"""Where rounding decides which code a sound gets, autocast must not round."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch


def full_precision(device: torch.device) -> AbstractContextManager[object]:
    """A context inside which autocast is off.

    Args:
        device: that the work is done on.

    Example:
        >>> a = torch.ones(2, 2)
        >>> with torch.autocast("cpu", torch.bfloat16), full_precision(a.device):
        ...     print((a @ a).dtype)
        torch.float32
    """
    kind = device.type
    if torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind):
        return torch.autocast(kind, enabled=False)
    return nullcontext()
