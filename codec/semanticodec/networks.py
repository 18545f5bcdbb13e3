"""The decoder's networks, from diffusers and transformers, which compute exactly what the published ones do."""

from __future__ import annotations

from typing import Any

from torch import nn

from codec.errors import CodecError
from codec.semanticodec.config import LATENT_CHANNELS, VOCODER_MELS, PublishedConfig

SCALES = 4


def build_unet(config: PublishedConfig) -> nn.Module:
    """AudioLDM 2's U-Net: at each attention first a transformer that sees only itself, then one that sees the context."""
    modules = _diffusers()
    both = (None, config.context_dim)
    return modules.AudioLDM2UNet2DConditionModel(
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        block_out_channels=config.unet_channels,
        down_block_types=("DownBlock2D", *["CrossAttnDownBlock2D"] * (SCALES - 1)),
        up_block_types=(*["CrossAttnUpBlock2D"] * (SCALES - 1), "UpBlock2D"),
        cross_attention_dim=(None, *[both] * (SCALES - 1)),
        # The library calls the number of heads so.
        attention_head_dim=tuple(width // config.head_dim for width in config.unet_channels),
    )


def build_vae(config: PublishedConfig) -> nn.Module:
    """The autoencoder of log-mel pictures: ``(B, 1, 4·T, 64)`` ↔ ``(B, 8, T, 16)``."""
    scales = len(config.vae_channels)
    return _diffusers().AutoencoderKL(
        in_channels=1,
        out_channels=1,
        latent_channels=LATENT_CHANNELS,
        block_out_channels=config.vae_channels,
        layers_per_block=2,
        down_block_types=("DownEncoderBlock2D",) * scales,
        up_block_types=("UpDecoderBlock2D",) * scales,
    )


def build_vocoder(config: PublishedConfig) -> nn.Module:
    """HiFi-GAN (arXiv 2010.05646): ``(B, T, 64)`` log-mel → ``(B, 160·T + 32)`` samples."""
    try:
        from transformers import SpeechT5HifiGan, SpeechT5HifiGanConfig
    except ImportError as error:
        raise _missing(error) from error
    return SpeechT5HifiGan(
        SpeechT5HifiGanConfig(
            model_in_dim=VOCODER_MELS,
            sampling_rate=16_000,
            upsample_initial_channel=config.vocoder_channels,
            upsample_rates=[5, 4, 2, 2, 2],
            upsample_kernel_sizes=[16, 16, 8, 4, 4],
            resblock_kernel_sizes=[3, 7, 11],
            resblock_dilation_sizes=[[1, 3, 5]] * 3,
            leaky_relu_slope=0.1,
            normalize_before=False,
        )
    )


def _diffusers() -> Any:
    try:
        import diffusers
    except ImportError as error:
        raise _missing(error) from error
    return diffusers


def _missing(error: ImportError) -> CodecError:
    return CodecError(f"SemantiCodec's decoder needs {error.name}: pip install 'semcodec[official]'")
