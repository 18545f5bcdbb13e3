"""The decoder's head in a graph: harmonics, noise and tones, as `codec.networks.source_filter` draws them."""

from __future__ import annotations

import math

import numpy as np

from codec.export.graph import Graph, Value
from codec.export.layers import Layers
from codec.export.spectra import Fourier
from codec.networks.excitation import NOISE_PERIODS, TURN
from codec.networks.source_filter import DEEPEST, HIGHEST_SHARE, MAX_LOG_GAIN, SourceFilterHead, dispersion
from codec.networks.tones import LOBE

SPLIT_MIX = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))
GOLDEN = 0x9E3779B97F4A7C15


class Head:
    """Writes `SourceFilterHead` into a graph.

    Args:
        layers: of the graph.
        head: whose sizes they are.
    """

    def __init__(self, layers: Layers, head: SourceFilterHead) -> None:
        self.layers, self.graph = layers, layers.graph
        self.n_fft, self.hop_length, self.sample_rate, self.edge = head.n_fft, head.hop_length, head.sample_rate, head.edge
        self.fourier = Fourier(self.graph, self.n_fft)

    def sound(
        self,
        x: Value,
        f0: Value,
        voiced: Value,
        tones: tuple[Value, Value, Value],
        tone_phases: Value,
        position: Value,
        anchor: Value,
        pitch_phase: Value,
    ) -> dict[str, Value]:
        """Outputs by name.

        Args:
            x: ``(T, D)``.
            f0: ``(T,)`` in Hz.
            voiced: ``(T,)``.
            tones: frequency and amplitude ``(T, N_TONES)``, share ``(T,)``.
            tone_phases: ``(N_TONES,)`` at the anchor.
            position: frame of the stream where the window begins.
            anchor: frame of the window whose phases are known.
            pitch_phase: what the fundamental's is there.
        """
        graph, hop = self.graph, self.hop_length
        gains = self.layers.linear("vocoder.head.envelopes", x).clip(high=MAX_LOG_GAIN)
        harmonic, breath = gains.part(0, self.fourier.bins, 1), gains.part(self.fourier.bins, None, 1)
        breath = breath + voiced.unsqueeze(1) * (breath - harmonic).clip(-DEEPEST, 0.0)
        harmonic, breath = harmonic.exp(), breath.exp()
        at_samples = self.layers.at_samples(f0, hop)
        pitch = self._phases(self._turns(at_samples), anchor * hop, pitch_phase)
        pulses = self._harmonics(pitch.part(0, -1), at_samples) * self.layers.at_samples(voiced, hop)
        hiss = self._noise(position * hop, (position + x.length(0)) * hop)
        (real, imaginary), (real_hiss, imaginary_hiss) = self._dispersed(*self._frames(pulses)), self._frames(hiss)
        frequency, amplitude, share = tones
        turned = self._phases(self._turns(frequency) * hop, anchor, tone_phases)
        drawn = self._lines(frequency, amplitude * share.unsqueeze(1), turned.part(0, -1))
        rest = 1.0 - share.unsqueeze(1)
        parts = (
            rest * (harmonic * pulse + breath * noise) + line
            for pulse, noise, line in zip((real, imaginary), (real_hiss, imaginary_hiss), drawn, strict=True)
        )
        wave = self._overlap(self.fourier.inverse(*parts))
        starts = graph.arange(0, x.length(0) + 1) * hop
        return {"wave": wave, "pitch_phases": pitch.take(starts), "tone_phases_after": turned}

    def _turns(self, frequency: Value) -> Value:
        return (frequency.cast("float64") * (TURN / self.sample_rate)).round().cast("int64")

    def _phases(self, steps: Value, anchor: Value, phase: Value) -> Value:
        """`codec.networks.excitation.phases` along the first axis."""
        graph = self.graph
        sums = graph.op("CumSum", steps, graph.constant(np.array(0, np.int64)))
        sums = graph.concat([steps.part(0, 1) * 0, sums], 0)
        return (sums - sums.take(anchor) + phase) % TURN

    def _radians(self, phase: Value) -> Value:
        return (phase.cast("float64") * (2 * math.pi / TURN)).cast("float32")

    def _harmonics(self, phase: Value, frequency: Value) -> Value:
        graph, highest = self.graph, HIGHEST_SHARE * self.sample_rate / 2
        angle = self._radians(phase)
        count = (graph.constant(np.float32(highest)[None]) / frequency).floor().clip(low=1.0)
        half = (angle * 0.5).sin()
        at_pulse = half.abs() < 1e-4
        kernel = (((count + 0.5) * angle).sin() / graph.where(at_pulse, 1.0, half) - 1.0) * 0.5
        return graph.where(at_pulse, count, kernel) * (graph.constant(np.float32(2)[None]) / count).sqrt()

    def _noise(self, start: Value, stop: Value) -> Value:
        graph = self.graph
        position = graph.arange(start, stop)
        tables = (_table(graph, length, 1 + index * 1_000_000) for index, length in enumerate(NOISE_PERIODS))
        first, second = (table.take(position % length) for table, length in zip(tables, NOISE_PERIODS, strict=True))
        return first + second

    def _frames(self, wave: Value) -> tuple[Value, Value]:
        return self.fourier.transform(wave.pad(self.edge, self.edge, 0, 1), self.hop_length)

    def _dispersed(self, real: Value, imaginary: Value) -> tuple[Value, Value]:
        """`codec.networks.source_filter.dispersion` of spectra ``(T, bins)``."""
        turn = dispersion(self.n_fft, self.sample_rate).numpy()
        cosine, sine = turn.real.copy(), turn.imag.copy()
        return real * cosine - imaginary * sine, real * sine + imaginary * cosine

    def _lines(self, frequency: Value, strength: Value, phase: Value) -> tuple[Value, Value]:
        """`codec.networks.tones.tone_spectrum`: real and imaginary parts ``(T, bins)``; every bin is looked at."""
        graph = self.graph
        angle = self._radians(phase + self._turns(frequency) * (self.hop_length // 2))
        position = (frequency * (self.n_fft / self.sample_rate)).unsqueeze(2)
        bins = graph.constant(np.arange(self.fourier.bins, dtype=np.float32))
        sign = np.where(np.arange(self.fourier.bins) % 2, -1, 1).astype(np.float32)
        near = ((bins - position.round()).abs() <= float(LOBE)).cast("float32")
        lobe = self._lobe(bins - position) * near * sign * (strength * (self.n_fft / 4)).unsqueeze(2)
        return tuple((lobe * wave.unsqueeze(2)).sum(1) for wave in (angle.cos(), angle.sin()))  # type: ignore[return-value]

    def _lobe(self, offset: Value) -> Value:
        """`codec.networks.tones.hann_lobe`."""
        graph, angle = self.graph, offset * math.pi
        middle = offset.abs() < 1e-6
        sinc = graph.where(middle, 1.0, angle.sin() / graph.where(middle, 1.0, angle))
        rest = 1.0 - offset.square()
        single = rest.abs() < 1e-3
        return graph.where(single, 0.5, sinc / graph.where(single, 1.0, rest))

    def _overlap(self, frames: Value) -> Value:
        parts, ones = self.n_fft // self.hop_length, frames.part(0, 1, 1) * 0.0 + 1.0
        total, weights = self._added(frames, parts), self._added(ones * self.fourier.window.square(), parts)
        return (total / weights.clip(low=1e-3)).reshape(-1).part(self.edge, -self.edge)

    def _added(self, frames: Value, parts: int) -> Value:
        hop = self.hop_length
        added = frames.part(0, hop, 1).pad(0, parts - 1, 0, 2)
        for part in range(1, parts):
            added = added + frames.part(part * hop, (part + 1) * hop, 1).pad(part, parts - 1 - part, 0, 2)
        return added


def _table(graph: Graph, length: int, first: int) -> Value:
    """`codec.networks.excitation` noise of variance ½, by SplitMix64: products of 64 bits wrap around."""
    state = graph.arange(first, first + length) * _signed(GOLDEN)
    for shift, factor in SPLIT_MIX:
        state = graph.op("BitwiseXor", state, _right(state, shift)) * _signed(factor)
    uniform = _right(graph.op("BitwiseXor", state, _right(state, 31)), 40).cast("float64") * (1 / (1 << 24)) - 0.5
    return (uniform * math.sqrt(6)).cast("float32")


def _right(state: Value, shift: int) -> Value:
    moved = state.graph.op("BitShift", state.cast("uint64"), shift, direction="RIGHT")
    return moved.cast("int64")


def _signed(word: int) -> int:
    return word - (1 << 64) if word >> 63 else word
