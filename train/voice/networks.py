"""The part of the networks that the codec and adversarial stages train."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from codec.networks.pitch import Pitch
from codec.networks.source_filter_codec import SourceFilterNetworks
from codec.networks.transform import BlockTransform
from quantizers.result import Quantized
from train.voice.targets import Targets, frame_losses


class Encoded(NamedTuple):
    """What the encoder makes of a batch; it stands still in these stages.

    Attributes:
        targets: what should become of it again.
        semantic: ``(B, N, D)`` codewords.
        acoustic: codewords ``(B, N, G · n_coefficients)`` side by side and codes ``(B, G, N)``, also where blocks are tones.
        frames_per_token: frames of 50 Hz per token.
    """

    targets: Targets
    semantic: Tensor
    acoustic: Quantized
    frames_per_token: int


class VoiceCodec(nn.Module):
    """The trainable part of `SourceFilterNetworks`, with the choices that training makes per batch."""

    def __init__(self, networks: SourceFilterNetworks) -> None:
        super().__init__()
        self.decoder, self.vocoder = networks.decoder, networks.vocoder
        # Found once; here, so that checkpoints keep them. AdamW would undo the transform: small weights get large steps, too.
        self.transforms = networks.transforms.requires_grad_(False)
        self.quantizers = networks.quantizers.requires_grad_(False)

    def forward(
        self, networks: SourceFilterNetworks, encoded: Encoded, n_acoustic: Tensor, told: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Decodes.

        Args:
            networks: for what stands still.
            encoded: the batch.
            n_acoustic: ``(B,)`` acoustic tokens that arrive.
            told: ``(B,)`` bool, items whose sound has the true pitch.

        Returns:
            ``(B, samples)``, and the losses on frames.
        """
        targets, semantic, acoustic, frames_per_token = encoded
        transform = self.transforms[networks.config.token_lengths.index(frames_per_token)]
        assert isinstance(transform, BlockTransform)
        is_tone, codes = networks.tones_of(targets.features.lines, targets.pitch, frames_per_token)
        index = networks.index_of(targets.pitch, frames_per_token)
        values = networks.with_pitch(index, acoustic.values, is_tone)
        frames = self.decoder(semantic, values, n_acoustic, frames_per_token, transform)
        tones = networks.tones_arrived(is_tone, codes, n_acoustic, frames_per_token)
        mine, theirs, here = frames.pitch, targets.pitch, told[:, None]
        pitch = Pitch(torch.where(here, theirs.f0, mine.f0), torch.where(here, theirs.voiced, mine.voiced))
        x = self.vocoder(frames.mel, pitch, frames.hidden)
        wave: Tensor = self.vocoder.head(x, pitch.f0, pitch.voiced, tones).wave
        return wave, frame_losses(frames, targets)
