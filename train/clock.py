"""Processor time of a training, which other work on the machine takes nothing from."""

from __future__ import annotations

import time


class ProcessorTime:
    """Seconds of processor time over all starts of a training; a part of its checkpoint."""

    def __init__(self) -> None:
        self._before, self._start = 0.0, time.process_time()

    @property
    def seconds(self) -> float:
        """Spent until now."""
        return self._before + time.process_time() - self._start

    def state_dict(self) -> dict[str, float]:
        """What a checkpoint keeps."""
        return {"seconds": self.seconds}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Goes on counting from there."""
        self._before, self._start = float(state["seconds"]), time.process_time()
