"""Wave → normalised Kaldi filter-bank, as AudioMAE wants it, and how many tokens it makes."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
import torchaudio
from torch import Tensor

from codec.semanticodec.config import HOP_LENGTH, N_MELS, SAMPLE_RATE, SEGMENT_FRAMES, SEGMENT_SAMPLES, PublishedConfig
from quantizers.precision import full_precision

MEAN, DEVIATION = -4.2677393, 4.5689974
FRAME_LENGTH = 400


def to_model_rate(wave: Tensor, sample_rate: int) -> Tensor:
    """``(…, samples)`` at any rate → 16 kHz, with the reference's windowed sinc."""
    return torchaudio.functional.resample(wave, sample_rate, SAMPLE_RATE) if sample_rate != SAMPLE_RATE else wave


def reference_count(samples: int, stack: int) -> int:
    """Token pairs that the reference keeps of so many 16 kHz samples.

    Its float arithmetic gives a whole block too many when the length is a multiple of 0.16 s, and one pair too many for
    about every fifth length; both are kept here, operation by operation.
    """
    duration = samples / SAMPLE_RATE
    duration += 0.16 - duration % 0.16
    return math.ceil(8 * duration / 0.16 / stack)


def exact_count(samples: int, config: PublishedConfig) -> int:
    """Token pairs of the whole blocks that cover so many 16 kHz samples."""
    pairs, covered = config.block
    return pairs * -(-samples // covered)


def reference_segments(wave: Tensor) -> Tensor:
    """Filter-bank of the padded file, quirks included.

    The mean removed is that of wave and padding together, a file of exactly n · 10.24 s gets another, empty segment, and
    the last two rows are zero before normalisation because their frames would reach past the padding.

    Args:
        wave: ``(samples,)`` at 16 kHz.

    Returns:
        ``(segments, 1024, 128)``.
    """
    padded = F.pad(wave, (0, SEGMENT_SAMPLES - len(wave) % SEGMENT_SAMPLES))
    segments = []
    padded = padded - padded.mean()
    for start in range(0, len(padded), SEGMENT_SAMPLES):
        part = padded[start : start + SEGMENT_SAMPLES + FRAME_LENGTH - HOP_LENGTH]
        rows = filter_bank(part)
        segments.append(F.pad(rows, (0, 0, 0, SEGMENT_FRAMES - len(rows))))
    return normalise(torch.stack(segments))


def exact_segments(wave: Tensor, config: PublishedConfig) -> list[Tensor]:
    """Filter-bank of the file and no more: the last segment ends with the block that holds the last sample.

    Args:
        wave: ``(samples,)`` at 16 kHz.
        config: whose blocks.

    Returns:
        ``(1024, 128)`` each, the last one ``(≤ 1024, 128)``.
    """
    _, covered = config.block
    frames = -(-len(wave) // covered) * covered // HOP_LENGTH
    padded = F.pad(wave - wave.mean(), (0, (frames - 1) * HOP_LENGTH + FRAME_LENGTH - len(wave)))
    return [
        normalise(
            filter_bank(padded[start * HOP_LENGTH : (min(start + SEGMENT_FRAMES, frames) - 1) * HOP_LENGTH + FRAME_LENGTH])
        )
        for start in range(0, frames, SEGMENT_FRAMES)
    ]


def real_positions(segment: Tensor, positions: int) -> int:
    """Positions before the padding mark: constant rows at a segment's end count as padding.

    Args:
        segment: ``(1024, 128)`` normalised filter-bank.
        positions: that it makes.
    """
    # On the processor, in one call for all rows: elsewhere a constant row's deviation may not round to zero.
    sounding = (segment.cpu().std(dim=1) > 1e-7).nonzero()
    last = int(sounding.max()) + 1 if len(sounding) else 0
    return math.ceil(positions * (last / len(segment)))


def filter_bank(wave: Tensor) -> Tensor:
    """Kaldi log filter-bank as AudioMAE and AST use it: 25 ms Hann windows every 10 ms, no dither.

    Args:
        wave: ``(samples,)`` at 16 kHz; its mean is the caller's to remove.

    Returns:
        ``(frames, 128)``, in single precision also under autocast.
    """
    with full_precision(wave.device):
        return torchaudio.compliance.kaldi.fbank(
            wave.unsqueeze(0),
            htk_compat=True,
            sample_frequency=SAMPLE_RATE,
            use_energy=False,
            window_type="hanning",
            num_mel_bins=N_MELS,
            dither=0.0,
            frame_shift=1000 * HOP_LENGTH / SAMPLE_RATE,
        )


def normalise(rows: Tensor) -> Tensor:
    """Filter-banks as AudioMAE was trained on them, by the mean and deviation of AudioSet's."""
    return (rows - MEAN) / (2 * DEVIATION)
