"""Fourier transforms and filter banks as products with matrices that the graph computes."""

from __future__ import annotations

import math

import numpy as np

from codec.export.graph import Graph, Value


class Fourier:
    """A real transform of windowed frames, and its inverse.

    Args:
        graph: to write into.
        n_fft: window length in samples.
    """

    def __init__(self, graph: Graph, n_fft: int) -> None:
        self.graph, self.n_fft, self.bins = graph, n_fft, n_fft // 2 + 1
        turn = graph.arange(0, n_fft).cast("float64") * (2 * math.pi / n_fft)
        # Not Cos, which onnxruntime before 1.24, all that Python 3.10 has, does not know in double precision.
        self.cosine, self.sine = (turn + math.pi / 2).sin(), turn.sin()
        self.window = (self.cosine * -0.5 + 0.5).cast("float32")
        """Hann's, ``(n_fft,)``."""

    def _waves(self) -> tuple[Value, Value]:
        """Cosines and sines ``(bins, n_fft)``, exact: of a turn's fractions."""
        places = (self.graph.arange(0, self.bins).unsqueeze(1) * self.graph.arange(0, self.n_fft)) % self.n_fft
        return self.cosine.cast("float32").take(places), self.sine.cast("float32").take(places)

    def kernels(self) -> Value:
        """``(2 · bins, 1, n_fft)``: real and imaginary parts of a windowed frame, as a convolution."""
        cosines, sines = self._waves()
        return (self.graph.concat([cosines, sines * -1.0], 0) * self.window).unsqueeze(1)

    def transform(self, wave: Value, hop_length: int) -> tuple[Value, Value]:
        """``(samples,)`` → real and imaginary parts, ``(T, bins)`` each."""
        both = self.graph.op("Conv", wave.reshape(1, 1, -1), self.kernels(), strides=[hop_length]).squeeze(0).transpose(1, 0)
        return both.part(0, self.bins, 1), both.part(self.bins, None, 1)

    def magnitude(self, wave: Value, hop_length: int) -> Value:
        """``(samples,)`` → ``(T, bins)``."""
        real, imaginary = self.transform(wave, hop_length)
        return (real.square() + imaginary.square()).sqrt()

    def inverse(self, real: Value, imaginary: Value) -> Value:
        """Spectra ``(T, bins)`` → windowed frames ``(T, n_fft)``."""
        cosines, sines = self._waves()
        weights = np.full((self.bins, 1), 2 / self.n_fft, np.float32)
        weights[0] = weights[-1] = 1 / self.n_fft
        matrix = self.graph.concat([cosines * weights, sines * -weights], 0) * self.window
        return self.graph.concat([real, imaginary], 1) @ matrix


def filter_bank(graph: Graph, edges: np.ndarray, bins: int, sample_rate: int) -> Value:
    """Triangles between corners, ``(bins, len(edges) - 2)``.

    Args:
        graph: to write into.
        edges: corners in Hz, ascending, float32.
        bins: of the spectrum, up to half the sample rate.
        sample_rate: in Hz.
    """
    frequency = graph.constant(np.linspace(0, sample_rate // 2, bins, dtype=np.float32)).unsqueeze(1)
    widths = np.diff(edges)
    rising = (frequency - edges[:-2]) / widths[:-1]
    falling = (edges[2:] - frequency) / widths[1:]
    return graph.op("Min", rising, falling).clip(low=0.0)


def slaney_edges(n_mels: int, sample_rate: int) -> np.ndarray:
    """Corners of a bank that is linear up to 1 kHz and logarithmic above, as float32."""
    step = math.log(6.4) / 27
    top = 15 + math.log(sample_rate / 2 / 1000) / step if sample_rate > 2000 else sample_rate / 2 * 3 / 200
    mels = np.linspace(0, top, n_mels + 2)  # in double precision: in single, processors differ in last digits
    return np.where(mels >= 15, 1000 * np.exp(step * (mels - 15)), 200 / 3 * mels).astype(np.float32)


def htk_edges(n_mels: int, sample_rate: int) -> np.ndarray:
    """Corners of a bank that is even on O'Shaughnessy's mel scale, as float32."""
    mels = np.linspace(0, 2595 * math.log10(1 + sample_rate / 2 / 700), n_mels + 2)
    return (700 * (10 ** (mels / 2595) - 1)).astype(np.float32)
