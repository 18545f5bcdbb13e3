"""`codec.networks.tones` in ONNX graphs: what the encoder finds of tones."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from codec.export.graph import Graph, Value
from codec.networks.tones import (
    BEEP_LOUDNESS_SHARE,
    BEEP_SHARE,
    CLEAR_SHARE,
    CLOSE,
    EASED_OVERTONES,
    EASED_SHARE,
    FAINTEST_SECOND_DB,
    HARMONIC_SHARE,
    HIGHEST_DRAWN_HZ,
    HIGHEST_HZ,
    HIGHEST_VOICE_HZ,
    LEAST_AROUND,
    LEVEL_STEP_DB,
    LOBE,
    LOUDNESS_BANDS,
    LOUDNESS_EXPONENT,
    LOUDNESS_FLOOR,
    LOUDNESS_LOBE,
    LOUDNESS_SHARE,
    LOW_HZ,
    LOW_LOUDNESS_SHARE,
    LOWEST_HZ,
    N_LEVELS,
    OFF_HARMONIC,
    OVERTONES,
    QUIETEST,
    REACH,
    SEARCHED_LOBE,
    SHARE,
    VOICED_SHARE,
    loudness_band,
)

LN_10 = math.log(10)


class Lines(NamedTuple):
    """`codec.networks.tones.Lines` of ``T`` frames.

    Attributes:
        frequency, amplitude: ``(T, 2)``.
        share, loudness, overtones: ``(T,)``.
    """

    frequency: Value
    amplitude: Value
    share: Value
    loudness: Value
    overtones: Value


def find_lines(graph: Graph, magnitude: Value, n_fft: int, sample_rate: int) -> Lines:
    """Magnitudes ``(T, bins)`` → the two strongest lines of each frame."""
    power = magnitude.square()
    last, rest = n_fft // 2, power
    found, around = [], []
    bins = graph.constant(np.arange(last + 1))
    for _ in range(2):
        peak = rest.part(SEARCHED_LOBE, last - SEARCHED_LOBE, 1).argmax(1, keepdims=True) + SEARCHED_LOBE
        distance = (bins - peak).abs()
        lobe = (distance <= SEARCHED_LOBE).cast("float32")
        energy = (rest * lobe).sum(1)
        level = [(graph.op("GatherElements", rest, peak + shift, axis=1) + 1e-20).log() for shift in (-1, 0, 1)]
        curve = (level[0] - level[1] * 2.0 + level[2]).clip(high=-1e-6)
        place = peak.cast("float32") + ((level[0] - level[2]) * 0.5 / curve).clip(-0.5, 0.5)
        found.append((place, energy))
        around.append(distance <= LOUDNESS_LOBE)
        rest = rest * (1.0 - lobe)
    overtones = _overtones(graph, power, found[0][0], last) / found[0][1].clip(low=1e-12)
    (f1, e1), (f2, e2) = ((place.squeeze(1) * (sample_rate / n_fft), energy) for place, energy in found)
    heard = e2 > e1 * 10 ** (-FAINTEST_SECOND_DB / 10)
    # The first one is always louder than itself less 20 dB, unless there is nothing at all.
    sounds = e1 > e1 * 10 ** (-FAINTEST_SECOND_DB / 10)
    inside = (around[0] & sounds.unsqueeze(1)) | (around[1] & heard.unsqueeze(1))
    e1 = graph.where(sounds, e1, 0.0)
    f2, e2 = graph.where(heard, f2, f1), graph.where(heard, e2, 0.0)
    in_order = f1 <= f2
    frequency = _pair(graph, graph.where(in_order, f1, f2), graph.where(in_order, f2, f1))
    energy = _pair(graph, graph.where(in_order, e1, e2), graph.where(in_order, e2, e1))
    amplitude = (energy * (32 / 3)).sqrt() / float(n_fft)
    share = energy.sum(1) / power.sum(1).clip(low=1e-12)
    loudness = _loudness(graph, power, inside.cast("float32"), sample_rate, last + 1)
    return Lines(frequency, amplitude, share, loudness, overtones)


def _overtones(graph: Graph, power: Value, place: Value, last: int) -> Value:
    """Energy ``(T,)`` at twice and three times a place in bins ``(T, 1)``."""
    around = graph.constant(np.arange(-LOBE, LOBE + 1))
    total = None
    for number in (2, 3):
        at = (place * float(number)).round().cast("int64") + around
        energy = graph.op("GatherElements", power, at.clip(0, last), axis=1) * (at <= last).cast("float32")
        total = energy.sum(1) if total is None else total + energy.sum(1)
    assert total is not None
    return total


def _loudness(graph: Graph, power: Value, inside: Value, sample_rate: int, n_bins: int) -> Value:
    """The share ``(T,)`` of loudness that lies inside lines."""
    bands = graph.constant(np.arange(LOUDNESS_BANDS))
    bank = graph.constant(loudness_band(n_bins, sample_rate).numpy()).unsqueeze(1).equals(bands).cast("float32")
    own = power * inside
    scale = own.sum(1, keepdims=True).clip(low=1e-12)

    def heard(part: Value) -> Value:
        loud = graph.op("Pow", ((part @ bank) / scale).clip(low=LOUDNESS_FLOOR), LOUDNESS_EXPONENT)
        return (loud - LOUDNESS_FLOOR**LOUDNESS_EXPONENT).sum(1)

    lines = heard(own)
    return lines / (lines + heard(power - own)).clip(low=1e-9)


def tone_codes(graph: Graph, lines: Lines, voiced: Value, frames: int, codebook_size: int) -> tuple[Value, Value]:
    """Whether ``(N,)`` tokens are tones, and their codes ``(N, 2)``."""
    pure, nearly, frequency, amplitude = _pure(graph, lines, voiced)
    pure, nearly = (each.cast("float32").reshape(-1, frames) for each in (pure, nearly))
    pure = graph.where(_surrounded(pure.sum(1) * 4.0 >= 3.0 * frames).unsqueeze(1), nearly, pure)
    frequency, amplitude = (each.reshape(-1, frames, 2).transpose(0, 2, 1) for each in (frequency, amplitude))  # (N, 2, frames)
    count, energy = pure.sum(1), pure.unsqueeze(1) * amplitude.square()
    loudness = (energy.sum(2) / count.clip(low=1.0).unsqueeze(1)).sqrt()
    energy = graph.where(energy.sum(2, keepdims=True) > 0.0, energy, energy.max(1).unsqueeze(1))
    height = _middle(graph, frequency.clip(LOWEST_HZ, HIGHEST_HZ).log(), energy, frames)
    steps = codebook_size // N_LEVELS
    scale = (steps - 1) / math.log(HIGHEST_HZ / LOWEST_HZ)
    place = ((height - math.log(LOWEST_HZ)) * scale).round().clip(0.0, steps - 1.0)
    decibels = loudness.clip(low=1e-9).log() * (20 / LN_10)
    level = (decibels / LEVEL_STEP_DB).round().clip(1.0 - N_LEVELS, 0.0) + (N_LEVELS - 1.0)
    level = level * (count * 2.0 >= float(frames)).cast("float32").unsqueeze(1)
    return count * 4.0 >= 3.0 * frames, (place * float(N_LEVELS) + level).cast("int64")


def _surrounded(is_tone: Value) -> Value:
    """Which blocks ``(N,)`` have tones around them."""
    tones = is_tone.cast("int64")
    wide = tones.pad(REACH, REACH, 0, 1)
    last = 2 * REACH
    around = [wide.part(shift, shift - last if shift < last else None) for shift in range(last + 1) if shift != REACH]
    return sum(around[1:], around[0]) >= LEAST_AROUND


def _middle(graph: Graph, height: Value, energy: Value, frames: int) -> Value:
    """Heights and energies ``(N, 2, frames)`` → ``(N, 2)``."""
    order = graph.top(height, frames, largest=False)
    ordered, weight = (graph.op("GatherElements", each, order, axis=2) for each in (height, energy))
    below = graph.op("CumSum", weight, graph.constant(np.array(2, np.int64)))
    half = (below * 2.0 >= below.part(-1, None, 2)).cast("int64").argmax(2, keepdims=True)
    near = (height - graph.op("GatherElements", ordered, half, axis=2)).abs() < math.log(CLOSE)
    weight = energy * near.cast("float32")
    return (weight * height).sum(2) / weight.sum(2).clip(low=1e-20)


def strengths(lines: Lines, voiced: Value, frames: int) -> tuple[Value, Value]:
    """``(N,)`` of tones and of all else."""
    pure = pure_frames(lines, voiced).cast("float32")
    power = lines.amplitude.square().sum(1) / lines.share.clip(low=1e-6)
    inside, outside = ((power * part).reshape(-1, frames).sum(1) for part in (pure, 1.0 - pure))
    return inside, outside


def harmonic(lines: Lines) -> Value:
    """Frames ``(T,)`` whose lines are a fundamental above voices and its octave or twelfth, and most of what sounds."""
    low, high = (lines.frequency.part(which, which + 1, 1).squeeze(1) for which in (0, 1))
    ratio = high / low.clip(low=1.0)
    near = (ratio / ratio.round().clip(2.0, 3.0) - 1.0).abs() < OFF_HARMONIC
    return near & (low > HIGHEST_VOICE_HZ) & (lines.share >= HARMONIC_SHARE)


def pure_frames(lines: Lines, voiced: Value) -> Value:
    """Frames ``(T,)`` that are nothing but tones, or one beep above all else."""
    return _pure(voiced.graph, lines, voiced)[0]


def _pure(graph: Graph, lines: Lines, voiced: Value) -> tuple[Value, Value, Value, Value]:
    """Frames ``(T,)`` that are tones or one beep above all else; those that nearly are; frequencies and amplitudes in them."""
    (f1, f2), (a1, a2) = ([both.part(0, 1, 1), both.part(1, 2, 1)] for both in (lines.frequency, lines.amplitude))
    strongest, loudest = graph.where(a2 > a1, f2, f1), lines.amplitude.max(1).unsqueeze(1)
    power = lines.amplitude.square().sum(1, keepdims=True).clip(low=1e-20)
    alone = lines.share.unsqueeze(1) * (loudest.square() / power)
    tonal = (lines.share >= voiced * (VOICED_SHARE - SHARE) + SHARE).unsqueeze(1)
    beep = (alone >= BEEP_SHARE) & (strongest > HIGHEST_VOICE_HZ)
    single = beep & (~tonal | (alone >= CLEAR_SHARE))
    amplitude = graph.where(single, loudest * np.array([[1, 0]], np.float32), lines.amplitude)
    is_low = (strongest < LOW_HZ).cast("float32").squeeze(1)
    usual = is_low * (LOW_LOUDNESS_SHARE - LOUDNESS_SHARE) + LOUDNESS_SHARE
    strong = (tonal | beep).squeeze(1)
    high = harmonic(lines) & (f1.squeeze(1) > HIGHEST_DRAWN_HZ) & voiced.equals(0.0)
    loud = amplitude.max(1) >= QUIETEST

    def heard(eased: float, overtones: float) -> Value:
        over = beep.squeeze(1) & (lines.overtones < overtones)
        least = graph.where(over, BEEP_LOUDNESS_SHARE, usual)
        return lines.loudness >= graph.where(beep.squeeze(1), least * eased, least)

    pure, nearly = (
        ((strong & heard(eased, overtones)) | high) & loud
        for eased, overtones in ((1.0, OVERTONES), (EASED_SHARE, EASED_OVERTONES * OVERTONES))
    )
    return pure, nearly, graph.where(single, strongest, lines.frequency), amplitude


def _pair(graph: Graph, first: Value, second: Value) -> Value:
    return graph.concat([first.unsqueeze(1), second.unsqueeze(1)], 1)
