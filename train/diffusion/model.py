"""The trainable part of SemantiCodec, and its loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from codec.networks.samplers import Schedule
from codec.semanticodec.acoustic import AcousticEncoder
from codec.semanticodec.audiomae import AudioMAE, stack_patches
from codec.semanticodec.conditioning import Context
from codec.semanticodec.config import PublishedConfig
from codec.semanticodec.frontend import exact_segments
from codec.semanticodec.networks import build_unet
from quantizers.nearest import nearest
from train.diffusion.schedule import add_noise
from train.diffusion.targets import normalise, vocoder_mel


@dataclass
class Frozen:
    """What is not trained.

    Attributes:
        audiomae: the semantic encoder.
        vae: autoencoder of log-mel pictures, as `codec.semanticodec.networks.build_vae` makes it.
        vocoder: log-mel to wave, as `codec.semanticodec.networks.build_vocoder` makes it; training does not hear it.
        centroids: ``(vocab, F)`` by vocabulary.
        scale_factor: that latents are multiplied with, so that they have unit variance.
    """

    audiomae: AudioMAE
    vae: Any
    vocoder: nn.Module
    centroids: Mapping[int, Tensor]
    scale_factor: float

    @torch.no_grad()
    def latents(self, wave: Tensor) -> Tensor:
        """``(B, samples)`` normalised → ``(B, 8, T, 16)``, drawn from the autoencoder's posterior."""
        posterior = self.vae.encode(vocoder_mel(wave).unsqueeze(1)).latent_dist
        return posterior.sample() * self.scale_factor

    @torch.no_grad()
    def features(self, wave: Tensor, config: PublishedConfig) -> Tensor:
        """``(B, samples)`` normalised → ``(B, N, F)``."""
        segments = torch.stack([exact_segments(row, config)[0] for row in wave])
        return stack_patches(self.audiomae(segments), config.stack)


class DiffusionModel(nn.Module):
    """Acoustic encoder, quantiser and U-Net, trained together.

    Args:
        config: sizes.
        schedule: of the noise.
        drop: share of batches without tokens.
    """

    def __init__(self, config: PublishedConfig, schedule: Schedule, drop: float) -> None:
        super().__init__()
        from vector_quantize_pytorch import VectorQuantize

        self.config, self.schedule, self.drop = config, schedule, drop
        self.acoustic = AcousticEncoder(config)
        self.quantiser = VectorQuantize(
            config.feature_dim, config.codebook_size, decay=0.9, commitment_weight=1.0, rotation_trick=False
        )
        self.unet = build_unet(config)

    def forward(
        self, features: Tensor, latents: Tensor, centroids: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """The loss of a batch.

        Args:
            features: ``(B, N, F)`` of the frozen encoder.
            latents: ``(B, 8, T, 16)`` of the frozen autoencoder.
            centroids: of the vocabulary that was drawn for this batch.
            generator: on the CPU; of time steps, noise, and whether the tokens are hidden.

        Returns:
            Mean squared error of v plus the commitment to the codes, and the acoustic codes ``(B, N)``.
        """
        semantic = centroids[nearest(features.flatten(0, 1), centroids)[0]].view(features.shape)
        whole = [features.shape[1]] * len(features)
        acoustic, codes, commitment = self.quantiser(self.acoustic(features, semantic, whole))
        context = Context.of(torch.cat([acoustic, semantic], dim=-1), features.shape[1])
        hidden = float(torch.rand((), generator=generator)) < self.drop
        given = context.empty if hidden else context.given
        noisy, steps, v = add_noise(latents, self.schedule, generator)
        output = self.unet(noisy, steps, encoder_hidden_states=given, return_dict=False)[0]
        return F.mse_loss(output, v) + commitment.sum(), codes


def prepare(wave: Tensor, frozen: Frozen, config: PublishedConfig) -> tuple[Tensor, Tensor]:
    """``(B, samples)`` → features and latents; both come from the same normalised wave."""
    wave = normalise(wave)
    return frozen.features(wave, config), frozen.latents(wave)
