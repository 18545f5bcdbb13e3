"""What computes: windows of sound ↔ windows of codes, with torch or without."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np


class Point(NamedTuple):
    """An operating point.

    Attributes:
        frames_per_token: frames of 50 Hz that a token covers.
        n_streams: tokens of a frame, the semantic one included.
    """

    frames_per_token: int
    n_streams: int


class Engine(ABC):
    """A model's networks, wherever they run.

    Attributes:
        sample_rate: that they work at, in Hz.
        vocabs: semantic vocabularies, ascending.
        points: operating points by tokens per second.
        frame_length: samples in a frame of 50 Hz.
        edge: samples of context on either side that front ends take beside ``encoder_context``.
        encoder_context: frames of 50 Hz on either side that a token depends on, in whole tokens of every rate.
        decoder_context: frames of 50 Hz on either side that a sample depends on, but for the state.
        decoder_step: frames of 50 Hz between the places where a decoder's window can begin.
        on_cpu: whether it computes on a CPU.
        at_once: windows of one stream that are worked on side by side.
        together: clips that are worked on side by side.
    """

    sample_rate: int
    vocabs: tuple[int, ...]
    points: dict[int, Point]
    frame_length: int
    edge: int
    encoder_context: int
    decoder_context: int
    decoder_step: int

    @property
    @abstractmethod
    def on_cpu(self) -> bool: ...

    @property
    @abstractmethod
    def at_once(self) -> int: ...

    @property
    @abstractmethod
    def together(self) -> int: ...

    @property
    @abstractmethod
    def networks(self) -> Any:
        """What looks inside gets torch's modules, `codec.networks.interface.CodecNetworks`.

        Raises:
            CodecError: there are none.
        """

    @abstractmethod
    def codebook_sizes(self, vocab: int) -> tuple[int, ...]:
        """The codebook sizes of all streams, whatever the rate."""

    def sizes_at(self, frames_per_token: int, vocab: int) -> tuple[int, ...]:
        """Codebook sizes of all streams that there are at any rate with so many frames of 50 Hz to a token."""
        streams = (point.n_streams for point in self.points.values() if point.frames_per_token == frames_per_token)
        return self.codebook_sizes(vocab)[: max(streams)]

    def at_its_rate(self, clips: Sequence[np.ndarray], sample_rate: int) -> tuple[Sequence[np.ndarray], int]:
        """Whole clips ``(samples,)`` and the rate in Hz that streams are to take them at.

        They come back as they are where streams convert them, and at the engine's own rate where that is better done here,
        with all clips side by side.
        """
        return clips, sample_rate

    @abstractmethod
    def encode(self, windows: Sequence[np.ndarray], point: Point, vocab: int) -> list[np.ndarray]:
        """Windows ``(B, samples)`` with their context → codes ``(B, S, N)`` of a point's streams."""

    @abstractmethod
    def draw(self, windows: Sequence[np.ndarray], frames_per_token: int, vocab: int) -> list[Any]:
        """Windows of codes ``(B, S, N)`` → all that can be computed without knowing the place in the stream."""

    @abstractmethod
    def sound(self, drawing: Any, state: Any, left: int, start: int, stop: int) -> tuple[np.ndarray, Any]:
        """What `draw` gave for one window → its samples ``(B, samples)`` within ±1, and the state at frame ``stop``.

        Args:
            drawing: of the window.
            state: at frame ``start``; None: of a stream's beginning.
            left: frame of 50 Hz where the window begins in the stream.
            start: frame whose state is known.
            stop: frame whose state is asked for.
        """
