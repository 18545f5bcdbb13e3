"""Tones that stay tones: where a sound is one sine or two, tokens tell their frequencies and levels, and oscillators draw them.

A network that must carry a sine through its bottleneck blurs it; two numbers carry it exactly. Signals of telephones, beeps and
whistles are of that kind. Phases are sums of frequencies, and each sine is put into a frame's spectrum as the main lobe of the
window (additive synthesis in the frequency domain, Rodet and Depalle 1992).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from codec.networks.excitation import at_samples, phases, radians, turns

N_TONES = 2
"""Sines at a time."""
LOBE = 2
"""Bins on either side of a sine's frequency that a Hann window's main lobe covers. What lies beyond is left out, which makes
lines 50 dB below the tone, a frame rate away from it."""
SEARCHED_LOBE = 3
"""Bins on either side of a peak that are counted as its own."""
LOWEST_HZ, HIGHEST_HZ = 50.0, 7_900.0
"""Of frequencies that a token can tell, on a logarithmic scale."""
N_LEVELS, LEVEL_STEP_DB = 16, 5.0
"""Of a tone's level: 0 dBFS is the last one, and the first says that there is no tone."""
FAINTEST_SECOND_DB = 20.0
"""Of the second tone below the first."""
SHARE, VOICED_SHARE = 0.9, 0.99
"""Of a frame's energy that its tones must have; the second where the pitch tracker hears a voice."""
BEEP_SHARE, CLEAR_SHARE = 0.75, 0.95
"""Of a frame's energy that one line has where it sounds over something else, and where nothing else is worth a tone."""
LOUDNESS_SHARE, LOW_LOUDNESS_SHARE, LOW_HZ = 0.5, 0.65, 200.0
"""Of a frame's loudness that its tones must have, and the share and the frequency of the strongest one below which it is the
second: a square wave's first line has four fifths of its energy, and what lies 10 dB below a tone is plainly heard; both would
be lost. Low lines may have others within their lobes."""
BEEP_LOUDNESS_SHARE, OVERTONES = 0.3, 10**-2.5
"""Of loudness, for a beep above all else; and what its octave and twelfth may have of its energy: instruments have more, and
what sounds beside them is music, not something that a signal interrupts."""
LOUDNESS_BANDS, LOUDNESS_EXPONENT, LOUDNESS_FLOOR = 24, 0.25, 10**-4.0
"""Bands as wide in octaves as each other, the exponent of energy in them (Stevens' law), and the energy, of the tones', below
which nothing is heard beside them."""
LOWEST_BAND_HZ, LOUDNESS_LOBE = 40.0, 3
"""Where bands begin; bins on either side of a line that are counted as its own, side lobes among them."""
HIGHEST_VOICE_HZ = 450.0
"""Above it, a single line that strong is no harmonic of a voice, whatever the pitch tracker hears beside it."""
HARMONIC_SHARE, OFF_HARMONIC = 0.7, 0.02
"""Of a frame's energy that two harmonics must have, and by what share of its number the second may be off."""
HIGHEST_DRAWN_HZ = 1_000.0
"""Fundamental above which nothing but tones can tell a pitch: harmonics of its octave below would be no voice's."""
EASED_SHARE, EASED_OVERTONES = 0.8, 3.0
"""Of the loudness that a beep must have, and of what its overtones may have, where the blocks around are tones: noise that
hides a beep now and then is not to switch it off and on. Below beeps a bass has overtones that would be lost."""
REACH, LEAST_AROUND = 2, 2
"""Blocks to either side that are looked at for it, and how many of them must be tones."""
QUIETEST = 10**-3.0
"""Amplitude of a tone that is worth a token."""
CLOSE = 1.06
"""Ratio of frequencies within which a tone glides from one token to the next; beyond, it jumps."""


class Tones(NamedTuple):
    """Tones of frames at 100 Hz, as tokens tell them.

    Attributes:
        frequency: ``(B, T, N_TONES)`` in Hz.
        amplitude: ``(B, T, N_TONES)``.
        share: ``(B, T)``: 1 where only tones sound, 0 where none do.
    """

    frequency: Tensor
    amplitude: Tensor
    share: Tensor


class Lines(NamedTuple):
    """The strongest lines of frames at 100 Hz, as they are found in a sound.

    Attributes:
        frequency: ``(B, T, N_TONES)`` in Hz, ascending.
        amplitude: ``(B, T, N_TONES)``.
        share: ``(B, T)``: the lines' share of the frame's energy, 0 … 1.
        loudness: ``(B, T)``: their share of its loudness.
        overtones: ``(B, T)``: energy at twice and three times the frequency of the highest line, of that line's.
    """

    frequency: Tensor
    amplitude: Tensor
    share: Tensor
    loudness: Tensor
    overtones: Tensor


def find_lines(magnitude: Tensor, sample_rate: int) -> Lines:
    """The two strongest lines of each spectrum.

    Args:
        magnitude: ``(B, T, n_fft // 2 + 1)`` under a Hann window.
        sample_rate: in Hz.
    """
    last, n_fft = magnitude.shape[-1] - 1, 2 * (magnitude.shape[-1] - 1)
    power = magnitude.square()
    total, rest = power.sum(-1), power
    found, around = [], []
    bins = torch.arange(last + 1, device=magnitude.device)
    for _ in range(N_TONES):
        peak = rest[..., SEARCHED_LOBE : last - SEARCHED_LOBE].argmax(-1, keepdim=True) + SEARCHED_LOBE
        lobe = (bins - peak).abs() <= SEARCHED_LOBE
        energy = (rest * lobe).sum(-1)
        level = [(rest.gather(-1, peak + shift) + 1e-20).log() for shift in (-1, 0, 1)]
        # The top of a parabola through the logarithms of three bins.
        curve = (level[0] - 2 * level[1] + level[2]).clamp(max=-1e-6)
        place = peak + (0.5 * (level[0] - level[2]) / curve).clamp(-0.5, 0.5)
        found.append((place[..., 0], energy))
        around.append((bins - peak).abs() <= LOUDNESS_LOBE)
        rest = rest * ~lobe
    overtones = _overtones(power, found[0][0]) / found[0][1].clamp_min(1e-12)
    place, energy = (torch.stack(parts, -1) for parts in zip(*found, strict=True))
    frequency = place * (sample_rate / n_fft)
    heard = energy > energy[..., :1] * 10 ** (-FAINTEST_SECOND_DB / 10)
    inside = (torch.stack(around, -2) & heard[..., None]).any(-2)
    frequency, energy = torch.where(heard, frequency, frequency[..., :1]), energy * heard
    order = torch.argsort(frequency, dim=-1, stable=True)
    # By Parseval a sine's lobe holds A² · 3/32 · n² of the squared magnitudes under a Hann window.
    amplitude = (energy * (32 / 3)).sqrt() / n_fft
    share = energy.sum(-1) / total.clamp_min(1e-12)
    loudness = _loudness(power, inside, sample_rate)
    return Lines(frequency.gather(-1, order), amplitude.gather(-1, order), share, loudness, overtones)


def _overtones(power: Tensor, place: Tensor) -> Tensor:
    """Energy ``(B, T)`` of a spectrum ``(B, T, bins)`` at twice and three times a place in bins ``(B, T)``."""
    last, total = power.shape[-1] - 1, torch.zeros_like(place)
    for number in (2, 3):
        at = (number * place).round().long()
        for shift in range(-LOBE, LOBE + 1):
            total = total + power.gather(-1, (at + shift).clamp(0, last)[..., None])[..., 0] * (at + shift <= last)
    return total


def loudness_band(n_bins: int, sample_rate: int) -> Tensor:
    """``(n_bins,)`` int64: which of `LOUDNESS_BANDS` each bin lies in, below 0 for none.

    Example:
        >>> loudness_band(9, 16_000).tolist()
        [-32, 14, 17, 19, 20, 21, 22, 23, 24]
    """
    hertz = torch.arange(n_bins, dtype=torch.float64) * (sample_rate / 2 / (n_bins - 1))
    octaves = (hertz.clamp_min(LOWEST_BAND_HZ / 1000) / LOWEST_BAND_HZ).log2()
    return (octaves * (LOUDNESS_BANDS / math.log2(sample_rate / 2 / LOWEST_BAND_HZ))).floor().long()


def _loudness(power: Tensor, inside: Tensor, sample_rate: int) -> Tensor:
    """The share of the loudness of a spectrum ``(B, T, bins)`` that lies inside lines ``(B, T, bins)``."""
    bands = torch.arange(LOUDNESS_BANDS, device=power.device)
    bank = (loudness_band(power.shape[-1], sample_rate).to(power.device)[:, None] == bands).to(power)
    own = power * inside
    scale = own.sum(-1, keepdim=True).clamp_min(1e-12)

    def heard(part: Tensor) -> Tensor:
        bands = ((part @ bank) / scale).clamp_min(LOUDNESS_FLOOR)
        return (bands.pow(LOUDNESS_EXPONENT) - LOUDNESS_FLOOR**LOUDNESS_EXPONENT).sum(-1)

    lines = heard(own)
    return lines / (lines + heard(power - own)).clamp_min(1e-9)


def tone_codes(lines: Lines, voiced: Tensor, frames: int, codebook_size: int) -> tuple[Tensor, Tensor]:
    """Blocks of frames that are nothing but tones, and their codes.

    Args:
        lines: as `find_lines` gives them, of ``N · frames`` frames.
        voiced: ``(B, N · frames)`` by the pitch tracker: a low voice can look like a tone.
        frames: in a block.
        codebook_size: of each code; a multiple of `N_LEVELS`.

    Returns:
        ``(B, N)`` bool, and ``(B, N_TONES, N)`` int64 codes.
    """
    pure, nearly, frequency, amplitude = (part.unflatten(1, (-1, frames)) for part in _pure(lines, voiced))
    pure = torch.where(_surrounded(4 * pure.sum(-1) >= 3 * frames)[..., None], nearly, pure)
    count, energy = pure.sum(-1), pure[..., None] * amplitude.square()
    level = (energy.sum(2) / count.clamp(min=1)[..., None]).sqrt()
    # Frames count by a tone's energy in them: where a second one is silent, its frequency is the first one's.
    energy = torch.where(energy.sum(2, keepdim=True) > 0, energy, energy.amax(-1, keepdim=True))
    height = _middle(frequency.clamp(LOWEST_HZ, HIGHEST_HZ).log(), energy)
    steps = codebook_size // N_LEVELS
    place = ((height - math.log(LOWEST_HZ)) * ((steps - 1) / math.log(HIGHEST_HZ / LOWEST_HZ))).round().clamp(0, steps - 1)
    decibels = 20 * level.clamp_min(1e-9).log10()
    level = (decibels / LEVEL_STEP_DB).round().clamp(1 - N_LEVELS, 0) + N_LEVELS - 1
    level = level * (2 * count >= frames)[..., None]  # of a block that is hardly a tone, none
    codes = (place * N_LEVELS + level).long().transpose(1, 2)
    return 4 * count >= 3 * frames, codes


def _surrounded(is_tone: Tensor) -> Tensor:
    """Blocks ``(B, N)`` that have tones around them.

    Example:
        >>> _surrounded(torch.tensor([[True, False, True, False, False, False]]))
        tensor([[False,  True, False, False, False, False]])
    """
    around = F.avg_pool1d(is_tone.float()[:, None], 2 * REACH + 1, 1, REACH)[:, 0] * (2 * REACH + 1)
    return (around - is_tone.float()).round() >= LEAST_AROUND


def _middle(height: Tensor, energy: Tensor) -> Tensor:
    """Mean of what lies near the median: where one note follows another in a block, the mean of both would be a third one.

    Args:
        height: ``(B, N, frames, N_TONES)`` logarithms of frequencies.
        energy: of the same shape, by which frames count.

    Returns:
        ``(B, N, N_TONES)``.

    Example:
        >>> _middle(torch.tensor([6.0, 6.0, 6.0, 7.0]).view(1, 1, 4, 1), torch.ones(1, 1, 4, 1)).item()
        6.0
    """
    ordered, order = height.sort(2)
    below = energy.gather(2, order).cumsum(2)
    half = (2 * below >= below[:, :, -1:]).float().argmax(2, keepdim=True)
    weight = energy * ((height - ordered.gather(2, half)).abs() < math.log(CLOSE))
    return (weight * height).sum(2) / weight.sum(2).clamp_min(1e-20)


def strengths(lines: Lines, voiced: Tensor, frames: int) -> tuple[Tensor, Tensor]:
    """How strong blocks are where they are nothing but tones, and elsewhere: ``(B, N)`` each, sums over frames.

    Args:
        lines: as `find_lines` gives them, of ``N · frames`` frames.
        voiced: ``(B, N · frames)`` by the pitch tracker.
        frames: in a block.
    """
    pure, power = pure_frames(lines, voiced), lines.amplitude.square().sum(-1) / lines.share.clamp_min(1e-6)
    inside, outside = ((power * part).unflatten(1, (-1, frames)).sum(-1) for part in (pure, ~pure))
    return inside, outside


def harmonic(lines: Lines) -> Tensor:
    """Frames ``(B, T)`` whose lines are a fundamental above voices and its octave or twelfth, and most of what sounds."""
    low, high = lines.frequency.unbind(-1)
    ratio = high / low.clamp_min(1.0)
    near = (ratio / ratio.round().clamp(2, 3) - 1).abs() < OFF_HARMONIC
    return near & (low > HIGHEST_VOICE_HZ) & (lines.share >= HARMONIC_SHARE)


def pure_frames(lines: Lines, voiced: Tensor) -> Tensor:
    """Frames ``(B, T)`` that are nothing but tones, or one beep above all else."""
    return _pure(lines, voiced)[0]


def _pure(lines: Lines, voiced: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Frames that are nothing but tones, or one beep above all else; those that nearly are; the frequencies and amplitudes that
    count in them.
    """
    strongest = lines.amplitude.argmax(-1, keepdim=True)
    power = lines.amplitude.square()
    alone = lines.share * (power.gather(-1, strongest) / power.sum(-1, keepdim=True).clamp_min(1e-20))[..., 0]
    tonal = lines.share >= SHARE + (VOICED_SHARE - SHARE) * voiced
    beep = (alone >= BEEP_SHARE) & (lines.frequency.gather(-1, strongest)[..., 0] > HIGHEST_VOICE_HZ)
    single = (beep & (~tonal | (alone >= CLEAR_SHARE)))[..., None]
    frequency = torch.where(single, lines.frequency.gather(-1, strongest), lines.frequency)
    first = torch.arange(N_TONES, device=power.device) == 0
    amplitude = torch.where(single, lines.amplitude.amax(-1, keepdim=True) * first, lines.amplitude)
    is_low = lines.frequency.gather(-1, strongest)[..., 0] < LOW_HZ
    usual = LOUDNESS_SHARE + (LOW_LOUDNESS_SHARE - LOUDNESS_SHARE) * is_low
    high = harmonic(lines) & (lines.frequency[..., 0] > HIGHEST_DRAWN_HZ) & (voiced == 0)
    loud = amplitude.amax(-1) >= QUIETEST

    def heard(eased: float, overtones: float) -> Tensor:
        least = torch.where(beep & (lines.overtones < overtones), BEEP_LOUDNESS_SHARE, usual)
        return lines.loudness >= torch.where(beep, eased * least, least)

    pure, nearly = (
        (((tonal | beep) & heard(eased, overtones)) | high) & loud
        for eased, overtones in ((1.0, OVERTONES), (EASED_SHARE, EASED_OVERTONES * OVERTONES))
    )
    return pure, nearly, frequency, amplitude


def tone_tracks(is_tone: Tensor, codes: Tensor, frames: int, codebook_size: int) -> Tones:
    """What `tone_codes` told → tones of frames; they glide from token to token, and fade in and out over half of one.

    Args:
        is_tone: ``(B, N)`` bool.
        codes: ``(B, N_TONES, N)``; looked at where ``is_tone``.
        frames: in a block.
        codebook_size: of each code.

    Returns:
        ``N · frames`` frames.
    """
    steps = codebook_size // N_LEVELS
    codes = torch.where(is_tone[:, None], codes, 0).transpose(1, 2)
    height = (codes // N_LEVELS) * (math.log(HIGHEST_HZ / LOWEST_HZ) / max(1, steps - 1)) + math.log(LOWEST_HZ)
    level = codes % N_LEVELS
    amplitude = torch.where(level > 0, 10 ** ((level - N_LEVELS + 1) * (LEVEL_STEP_DB / 20)), 0.0) * is_tone[..., None]
    together = is_tone & _shifted(is_tone, 1)
    near_before = (together[..., None]) & ((height - _shifted(height, 1)).abs() < math.log(CLOSE))
    near_after = _shifted(near_before, -1)
    offset = ((torch.arange(frames, device=codes.device) + 0.5) / frames - 0.5)[:, None]

    def glide(values: Tensor) -> Tensor:
        """``(B, N, N_TONES)`` in the middle of blocks → frames; half a block without tones has those of the block beside it."""
        left, right = (torch.where(is_tone[..., None], values, _shifted(values, by)) for by in (1, -1))
        before, after = (
            torch.where(near, _shifted(values, by), here)[:, :, None]
            for near, by, here in ((near_before, 1, left), (near_after, -1, right))
        )
        left, right = left[:, :, None], right[:, :, None]
        return torch.where(offset < 0, left - offset * (before - left), right + offset * (after - right)).flatten(1, 2)

    share = at_samples(is_tone.float(), frames)
    return Tones(glide(height).exp(), glide(amplitude), share)


def _shifted(values: Tensor, by: int) -> Tensor:
    """``(B, N, …)``, one block later or earlier; what comes in is what was at the end."""
    end = values[:, :1] if by > 0 else values[:, -1:]
    return torch.cat([end, values[:, :-1]], 1) if by > 0 else torch.cat([values[:, 1:], end], 1)


def tone_phases(frequency: Tensor, hop_length: int, sample_rate: int, anchor: int, phase: Tensor) -> Tensor:
    """Phases at the beginnings of frames.

    Args:
        frequency: ``(B, T, N_TONES)`` in Hz.
        hop_length: samples per frame.
        sample_rate: in Hz.
        anchor: frame at whose beginning phases are known.
        phase: ``(B, N_TONES)`` int64, what they are there.

    Returns:
        ``(B, T + 1, N_TONES)`` int64; the last are where the next frame would begin.
    """
    return phases(turns(frequency, sample_rate) * hop_length, anchor, phase)


def tone_spectrum(tones: Tones, phase: Tensor, n_fft: int, hop_length: int, sample_rate: int) -> Tensor:
    """Draws tones into frames.

    Args:
        tones: of ``T`` frames.
        phase: ``(B, T, N_TONES)`` int64 at the beginnings of frames.
        n_fft: of the frames, under a Hann window.
        hop_length: in samples.
        sample_rate: in Hz.

    Returns:
        ``(B, T, n_fft // 2 + 1)`` complex: what a transform of a Hann-windowed frame around the middle of each hop gives.
    """
    frequency = tones.frequency
    angle = radians(phase + turns(frequency, sample_rate) * (hop_length // 2))[..., None]
    position = frequency * (n_fft / sample_rate)
    bins = position.round().long()[..., None] + torch.arange(-LOBE, LOBE + 1, device=frequency.device)
    last = n_fft // 2
    inside = (bins >= 0) & (bins <= last)
    # The frame's time counts from its first sample: around its middle, neighbouring bins have opposite signs.
    sign = 1 - 2 * (bins % 2)
    strength = tones.amplitude * tones.share[..., None] * (n_fft / 4)
    lobe = hann_lobe(bins - position[..., None]) * sign * inside * strength[..., None]
    at = bins.clamp(0, last).flatten(2)
    empty = lobe.new_zeros(*frequency.shape[:2], last + 1)
    real = empty.scatter_add(2, at, (lobe * torch.cos(angle)).flatten(2))
    imaginary = empty.scatter_add(2, at, (lobe * torch.sin(angle)).flatten(2))
    return torch.complex(real, imaginary)


def hann_lobe(offset: Tensor) -> Tensor:
    """Transform of a Hann window around its middle, relative to its peak, at an offset in bins.

    Example:
        >>> hann_lobe(torch.tensor([0.0, 1.0]))
        tensor([1.0000, 0.5000])
    """
    # sinc(x) / (1 − x²), whose singularities at ±1 are ½.
    rest = 1 - offset.square()
    single = rest.abs() < 1e-3
    return torch.where(single, 0.5, torch.sinc(offset) / torch.where(single, 1.0, rest))
