"""What frames should say: envelope, pitch and tones of the original, and how far a decoder's frames are from them."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from codec.networks.frontend import AcousticFeatures, AcousticFrontEnd, Peaks
from codec.networks.pitch import Pitch, octaves
from codec.networks.source_filter import Tones
from codec.networks.token_decoder import Frames

ENVELOPE_DEPTH = 2.75
"""log10 magnitudes below a crop's loudest band where a soft floor begins: 55 dB."""
STEADY_SHARE, STEADY_HZ = 0.006, 1.5
"""A tone moves by less than this share of its frequency and so many Hz more from frame to frame."""
HARMONIC_WIDTH = 0.15
"""Of a peak from a multiple of the pitch, in units of the pitch: nearer ones belong to the voice."""
PITCH_ERROR_OCTAVES = 0.1
"""Where the loss on pitch turns from square to linear."""
GROSS_ERROR_OCTAVES = 0.263
"""20 %."""
TONE_WEIGHT = 3.0
"""Of frames with a tone among all, in the loss on gates: they are few."""


class Targets(NamedTuple):
    """Of frames at 100 Hz.

    Attributes:
        features: of the original.
        pitch: as labelled.
        tones: those that are there; ``gate`` is 0 or 1.
    """

    features: AcousticFeatures
    pitch: Pitch
    tones: Tones


@torch.no_grad()
def targets_of(front_end: AcousticFrontEnd, wave: Tensor, pitch: Pitch) -> Targets:
    """``(B, samples)`` and the pitch of its frames → what a decoder should say."""
    features = front_end(wave)
    padded = F.pad(wave, (front_end.edge, front_end.edge))
    magnitude = torch.fft.rfft(padded.unfold(-1, front_end.n_fft, front_end.hop_length) * front_end.window).abs()
    peaks = front_end.peaks(magnitude)
    return Targets(features, pitch, Tones(peaks.offset, _steady_tones(peaks, pitch).float()))


def _steady_tones(peaks: Peaks, pitch: Pitch) -> Tensor:
    """Peaks that are tones, stay where they are, and are no harmonics of a voice."""
    moves = F.pad((peaks.frequency[:, 1:] - peaks.frequency[:, :-1]).abs(), (0, 0, 1, 0))
    still = moves < STEADY_SHARE * peaks.frequency + STEADY_HZ
    still = still & F.pad(still[:, 1:], (0, 0, 0, 1), value=True)
    multiple = peaks.frequency / pitch.f0[..., None]
    harmonic = (pitch.voiced[..., None] > 0) & ((multiple - multiple.round()).abs() < HARMONIC_WIDTH)
    return peaks.tonal & still & ~harmonic


def frame_losses(frames: Frames, targets: Targets) -> dict[str, Tensor]:
    """Distances of frames from what they should say, and two rates of errors that are only logged.

    Returns:
        ``envelope_loss`` and ``envelope_delta_loss`` in log10 units, ``pitch_loss`` in units of a tenth of an octave,
        ``voicing_loss`` and ``tone_gate_loss`` in nats, ``tone_offset_loss`` in half widths of bands; ``gross_pitch_error``
        and ``voicing_error`` as shares of voiced and of all frames.
    """
    top = targets.features.mel.amax((1, 2), keepdim=True)
    said, meant = _floored(frames.mel, top), _floored(targets.features.mel, top)
    voiced, count = targets.pitch.voiced, targets.pitch.voiced.sum().clamp(min=1)
    wrong = frames.octave - octaves(targets.pitch.f0)
    pitch = F.huber_loss(wrong, torch.zeros_like(wrong), reduction="none", delta=PITCH_ERROR_OCTAVES) / PITCH_ERROR_OCTAVES
    gate = targets.tones.gate
    weight = torch.tensor(TONE_WEIGHT, device=gate.device)
    return {
        "envelope_loss": (said - meant).abs().mean(),
        "envelope_delta_loss": (said.diff(dim=1) - meant.diff(dim=1)).abs().mean(),
        "pitch_loss": (pitch * voiced).sum() / count,
        "voicing_loss": F.binary_cross_entropy_with_logits(frames.voicing, voiced),
        "tone_gate_loss": F.binary_cross_entropy_with_logits(frames.tone_gate, gate, pos_weight=weight),
        "tone_offset_loss": ((frames.tone_offset - targets.tones.offset).abs() * gate).sum() / gate.sum().clamp(min=1),
        "gross_pitch_error": ((wrong.detach().abs() > GROSS_ERROR_OCTAVES) * voiced).sum() / count,
        "voicing_error": ((frames.voicing.detach() > 0) != (voiced > 0)).float().mean(),
    }


def _floored(mel: Tensor, top: Tensor) -> Tensor:
    """Soft from `ENVELOPE_DEPTH` below the loudest band on: what lies under it hardly counts."""
    return torch.log10(10 ** mel.float() + 10 ** (top - ENVELOPE_DEPTH))
