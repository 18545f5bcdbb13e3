"""What frames should say: envelope and pitch of the original, and how far a decoder's frames are from them."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from codec.networks.frontend import AcousticFeatures, AcousticFrontEnd
from codec.networks.pitch import Pitch, octaves
from codec.networks.token_decoder import Frames

ENVELOPE_DEPTH = 2.75
"""log10 magnitudes below a crop's loudest band where a soft floor begins: 55 dB."""
PITCH_ERROR_OCTAVES = 0.1
"""Where the loss on pitch turns from square to linear."""
GROSS_ERROR_OCTAVES = 0.263
"""20 %."""


class Targets(NamedTuple):
    """The targets of frames at 100 Hz.

    Attributes:
        features: of the original.
        pitch: as labelled.
    """

    features: AcousticFeatures
    pitch: Pitch


@torch.no_grad()
def targets_of(front_end: AcousticFrontEnd, wave: Tensor, pitch: Pitch) -> Targets:
    """``(B, samples)`` and the pitch of its frames → what a decoder should say."""
    return Targets(front_end(wave), pitch)


def frame_losses(frames: Frames, targets: Targets) -> dict[str, Tensor]:
    """Distances of frames from what they should say, and two rates of errors that are only logged.

    Returns:
        ``loss/envelope`` and ``loss/envelope_delta`` in log10 units, ``loss/pitch`` in units of a tenth of an octave,
        ``loss/voicing`` in nats; ``error/gross_pitch`` and ``error/voicing`` as shares of voiced and of all frames.
    """
    top = targets.features.mel.amax((1, 2), keepdim=True)
    said, meant = _floored(frames.mel, top), _floored(targets.features.mel, top)
    voiced, count = targets.pitch.voiced, targets.pitch.voiced.sum().clamp(min=1)
    wrong = frames.octave - octaves(targets.pitch.f0)
    pitch = F.huber_loss(wrong, torch.zeros_like(wrong), reduction="none", delta=PITCH_ERROR_OCTAVES) / PITCH_ERROR_OCTAVES
    return {
        "loss/envelope": (said - meant).abs().mean(),
        "loss/envelope_delta": (said.diff(dim=1) - meant.diff(dim=1)).abs().mean(),
        "loss/pitch": (pitch * voiced).sum() / count,
        "loss/voicing": F.binary_cross_entropy_with_logits(frames.voicing, voiced),
        "error/gross_pitch": ((wrong.detach().abs() > GROSS_ERROR_OCTAVES) * voiced).sum() / count,
        "error/voicing": ((frames.voicing.detach() > 0) != (voiced > 0)).float().mean(),
    }


def _floored(mel: Tensor, top: Tensor) -> Tensor:
    """Soft from `ENVELOPE_DEPTH` below the loudest band on: what lies under it hardly counts."""
    return torch.log10(10 ** mel.float() + 10 ** (top - ENVELOPE_DEPTH))
