"""Classes of frames: events on a time axis, the frame-wise head's targets, and segment F1."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eval.semantics.heads.metrics import f1


@dataclass(frozen=True)
class Event:
    """A class that sounds from ``onset`` to ``offset``, in seconds."""

    onset: float
    offset: float
    label: int


def rasterise(events: Sequence[Event], frames: int, hop_seconds: float, classes: int) -> np.ndarray:
    """``(frames, classes)`` float32 targets: 1 from the frame ⌈onset/hop⌉ up to ⌈offset/hop⌉, as X-ARES does.

    Example:
        >>> rasterise([Event(0.1, 0.25, 0)], 4, 0.1, 1)[:, 0].tolist()
        [0.0, 1.0, 1.0, 0.0]
    """
    target = np.zeros((frames, classes), np.float32)
    for event in events:
        target[math.ceil(event.onset / hop_seconds) : math.ceil(event.offset / hop_seconds), event.label] = 1
    return target


def segment_targets(events: Sequence[Event], seconds: float, segment: float, classes: int) -> np.ndarray:
    """``(segments, classes)`` bool: an event counts in every segment that it touches, as in sed_eval (Mesaros et al. 2016)."""
    target = np.zeros((max(1, _up(seconds, segment)), classes), bool)
    for event in events:
        target[math.floor(event.onset / segment + 1e-9) : _up(event.offset, segment), event.label] = True
    return target


def segment_predictions(active: np.ndarray, hop_seconds: float, segment: float, segments: int) -> np.ndarray:
    """``(frames, classes)`` bool → ``(segments, classes)`` bool: a segment is active where a frame centred in it is."""
    owner = np.minimum(((np.arange(len(active)) + 0.5) * hop_seconds / segment).astype(int), segments - 1)
    output = np.zeros((segments, active.shape[1]), bool)
    np.logical_or.at(output, owner, active)
    return output


def pooled(active: np.ndarray, hop_seconds: float, segment: float) -> np.ndarray:
    """Segments as X-ARES makes them: maxima over ⌈segment/hop⌉ frames, what is left at the end dropped."""
    size = math.ceil(segment / hop_seconds)
    whole = len(active) // size * size
    return np.logical_or.reduce(active[:whole].reshape(-1, size, active.shape[1]), axis=1)


def segment_f1(predictions: Sequence[np.ndarray], targets: Sequence[np.ndarray], average: str) -> float:
    """F1 over the segments of all clips, each ``(segments, classes)`` bool."""
    return f1(np.concatenate(predictions), np.concatenate(targets), average)


def _up(seconds: float, unit: float) -> int:
    # 0.3 / 0.1 is not 3 in binary; a billionth of a unit is nothing.
    return math.ceil(seconds / unit - 1e-9)
