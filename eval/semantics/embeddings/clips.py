"""Clips as encoders want them, and the one class that turns an encoder's function into an `Embedder`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch

from codec.audio.io import resample
from codec.errors import AudioError
from codec.limits import is_sample_rate
from quantizers.threads import in_threads

SAMPLE_RATE = 16_000
Run = Callable[[np.ndarray], np.ndarray]
"""``(samples,)`` float32 at the encoder's rate → ``(frames, dim)`` float32."""


class ClipEmbedder:
    """Runs an encoder over every clip alone, so that neither padding nor a neighbour in a batch can reach a vector.

    Several clips are worked on at a time, each by one thread: an encoder keeps nothing from one call to the next.

    Args:
        name: as it was asked for.
        run: the encoder.
        dim: width of a vector.
        hop: samples from one vector to the next.
        sample_rate: that the encoder works at, in Hz.
        window: samples after which a clip is cut into pieces, each encoded alone; None if any length will do.
        shortest: samples that the encoder needs; only a clip that is shorter still is filled up with zeros.
        trained: False for random weights.
        bitrate: of the tokens behind the vectors, in bits per second.
        version: of weights and settings; None where nothing tells it, and then embeddings are not kept.

    Attributes:
        learned: names of tasks whose labels the encoder was tuned on.
    """

    learned: tuple[str, ...] = ()

    def __init__(
        self,
        name: str,
        run: Run,
        dim: int,
        hop: float,
        sample_rate: int = SAMPLE_RATE,
        window: int | None = None,
        shortest: int = 1,
        trained: bool = True,
        bitrate: float | None = None,
        version: str | None = None,
    ) -> None:
        self.version = version
        self.name, self.dim, self.trained, self.bitrate = name, dim, trained, bitrate
        self.hop_seconds = hop / sample_rate
        self._run, self._rate, self._window, self._shortest = run, sample_rate, window, shortest

    def embed(self, waves: Sequence[np.ndarray], sample_rate: int) -> list[np.ndarray]:
        """See `Embedder.embed`.

        Raises:
            AudioError: a clip that is empty or not one-dimensional, or an impossible rate.
        """
        return in_threads(lambda wave: self._embed(wave, sample_rate), checked(waves, sample_rate))

    @torch.inference_mode()
    def _embed(self, wave: np.ndarray, sample_rate: int) -> np.ndarray:
        clean = np.nan_to_num(np.asarray(wave, np.float32), nan=0.0, posinf=0.0, neginf=0.0)
        clip = resample(clean[None], sample_rate, self._rate)[0]
        clip = np.pad(clip, (0, max(0, self._shortest - len(clip))))
        parts = [clip] if self._window is None else pieces(clip, self._window, self._shortest)
        return np.concatenate([self._run(part) for part in parts]).astype(np.float32, copy=False)


def checked(waves: Sequence[np.ndarray], sample_rate: int) -> Sequence[np.ndarray]:
    """The clips, if all of them can be embedded.

    Raises:
        AudioError: a clip that is empty or not one-dimensional, or an impossible rate.
    """
    if not is_sample_rate(sample_rate):
        raise AudioError(f"sample rate {sample_rate} Hz is outside 1 kHz … 768 kHz")
    for index, wave in enumerate(waves):
        if np.ndim(wave) != 1 or not len(wave):
            raise AudioError(f"clip {index} has the shape {np.shape(wave)}: one channel with samples is expected")
    return waves


def whole_hops(wave: np.ndarray, hop: int) -> np.ndarray:
    """The clip with its last hop filled up with zeros, as a codec fills its last token.

    Example:
        >>> len(whole_hops(np.ones(5), 4)), len(whole_hops(np.ones(8), 4))
        (8, 8)
    """
    return np.pad(wave, (0, -len(wave) % hop))


def pieces(wave: np.ndarray, window: int, shortest: int) -> Iterator[np.ndarray]:
    """Cuts what is too long for an encoder into windows; the last two share what is left if it is too short for one.

    Example:
        >>> [len(piece) for piece in pieces(np.ones(25), window=10, shortest=6)]
        [10, 9, 6]
    """
    start = 0
    while (left := len(wave) - start) > window:
        step = window if left - window >= shortest else left - shortest
        yield wave[start : start + step]
        start += step
    yield wave[start:]


def first_line(error: Exception) -> str:
    """The first line of an error's message, or the error's kind if it has none."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
