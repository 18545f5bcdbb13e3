"""Work of networks that ends in its midst when nobody waits for it any more."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


class StoppedError(Exception):
    """Nobody waits for this any more."""


@contextmanager
def stoppable(stop: threading.Event) -> Iterator[None]:
    """Inside, this thread's networks raise `StoppedError` at their next module once ``stop`` is set, whoever wrote them."""
    mine = threading.get_ident()

    def check(_module: nn.Module, _inputs: object) -> None:
        if stop.is_set() and threading.get_ident() == mine:
            raise StoppedError

    hook = nn.modules.module.register_module_forward_pre_hook(check)
    try:
        yield
    finally:
        hook.remove()
