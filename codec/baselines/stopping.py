"""Work of codecs that ends in its midst when nobody waits for it any more: in networks, programs, and while one is loaded."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_stop: ContextVar[threading.Event | None] = ContextVar("stop", default=None)


class StoppedError(Exception):
    """Nobody waits for this any more."""


def check() -> None:
    """Goes on, unless this work is to end.

    Raises:
        StoppedError: the event of the `stoppable` around this is set.
    """
    stop = _stop.get()
    if stop is not None and stop.is_set():
        raise StoppedError


@contextmanager
def stoppable(stop: threading.Event) -> Iterator[None]:
    """Inside, once ``stop`` is set, this thread's work raises `StoppedError`, whoever wrote it.

    Networks do so at their next module, a network that is built or loaded at its next module or weight, programs at once:
    they are killed.
    """
    from torch.nn.modules import module

    hooks = [
        module.register_module_forward_pre_hook(lambda *_: check()),
        module.register_module_module_registration_hook(lambda *_: check()),
        module.register_module_parameter_registration_hook(lambda *_: check()),
    ]
    before = _stop.set(stop)
    try:
        yield
    finally:
        _stop.reset(before)
        for hook in hooks:
            hook.remove()
