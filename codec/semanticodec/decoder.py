"""Token pairs → wave: diffusion of latents under the tokens' context, autoencoder, vocoder, cross-fade of windows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from codec.networks.samplers import Sampling, Schedule, Velocity, sample, window_generator
from codec.semanticodec.compiler import require_compiler
from codec.semanticodec.conditioning import OVERLAP, Codebooks, Context, windows
from codec.semanticodec.config import (
    HOP_LENGTH,
    LATENT_BINS,
    LATENT_CHANNELS,
    LATENT_STRIDE,
    SAMPLE_RATE,
    SEGMENT_SAMPLES,
    PublishedConfig,
)
from quantizers.precision import full_precision

FADE = int(SEGMENT_SAMPLES * OVERLAP)
LATENT_HOP = HOP_LENGTH * LATENT_STRIDE
MAX_BATCH = 8
"""Windows in one call of the networks."""


class Decoder:
    """The generative half.

    Args:
        config: sizes.
        unet: as `codec.semanticodec.networks` builds it.
        vae: likewise.
        vocoder: likewise.
        schedule: noise levels of the checkpoint.
        scale_factor: that latents were multiplied with in training.
    """

    def __init__(
        self, config: PublishedConfig, unet: nn.Module, vae: Any, vocoder: nn.Module, schedule: Schedule, scale_factor: float
    ) -> None:
        self.config, self.unet, self.vae, self.vocoder = config, unet, vae, vocoder
        self.schedule, self.scale_factor = schedule, scale_factor

    def to(self, device: torch.device) -> Decoder:
        """Moves everything."""
        for network in (self.unet, self.vae, self.vocoder):
            network.to(device)
        self.schedule = self.schedule.to(device)
        return self

    def channels_last(self) -> Decoder:
        """Lays the U-Net's weights out so that its convolutions and its attention agree on where channels are."""
        self.unet.to(memory_format=torch.channels_last)
        return self

    def compile(self) -> None:
        """Compiles the U-Net on its next call, and again when the length of windows changes.

        Raises:
            CodecError: there is no compiler.
        """
        require_compiler(self.device)
        self.unet.compile()

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return next(self.unet.parameters()).device

    def reference(self, codes: Tensor, codebooks: Codebooks, sampling: Sampling, generator: torch.Generator | None) -> Tensor:
        """Decodes as the reference does: full windows, one after the other, joined with their 32 extra samples.

        Args:
            codes: ``(2, N)``.
            codebooks: vectors of the tokens.
            sampling: settings.
            generator: on the CPU, for all noise in the reference's order; None is the global one.

        Returns:
            ``(samples,)``, about 0.16 s longer than the original.
        """
        config, parts = self.config, []
        vectors = codebooks.vectors(codes.unsqueeze(0))
        shape = (1, LATENT_CHANNELS, SEGMENT_SAMPLES // LATENT_HOP, LATENT_BINS)
        for start, length in windows(codes.shape[1], config):
            context = Context.of(vectors[:, start : start + length], config.window)
            velocity = self.velocity(context, sampling.guidance, together=False)
            draw = lambda: torch.randn(shape, generator=generator).to(self.device)  # noqa: E731
            parts.append(self.wave(sample(velocity, self.schedule, draw, sampling))[0])
        # Float arithmetic of the reference; it may lose a sample.
        samples = int(codes.shape[1] / 8 * 16 * 0.01 * config.stack * SAMPLE_RATE)
        return cross_fade(parts)[:samples]

    def exact(self, clips: list[Tensor], codebooks: Codebooks, sampling: Sampling, seed: int) -> list[Tensor]:
        """Windows as long as their tokens, batched over windows and clips, with and without context in one call.

        Every window has noise of its own, so that a clip sounds the same whatever it is batched with.

        Args:
            clips: ``(2, N)`` codes each.
            codebooks: vectors of the tokens.
            sampling: settings.
            seed: of the noise.

        Returns:
            ``(samples,)`` each, whole blocks of tokens long.
        """
        plans = [windows(codes.shape[1], self.config) for codes in clips]
        jobs = [(clip, number, *window) for clip, plan in enumerate(plans) for number, window in enumerate(plan)]
        parts: dict[tuple[int, int], Tensor] = {}
        for length in sorted({job[3] for job in jobs}):
            alike = [job for job in jobs if job[3] == length]
            for first in range(0, len(alike), MAX_BATCH):
                batch = alike[first : first + MAX_BATCH]
                codes = torch.stack([clips[clip][:, start : start + length] for clip, _, start, _ in batch])
                positions = -(-length // self.config.block[0]) * self.config.block[0]
                context = Context.of(codebooks.vectors(codes), positions)
                waves = self._batch(context, sampling, [window_generator(seed, job[1]) for job in batch])
                for job, wave in zip(batch, waves, strict=True):
                    parts[job[0], job[1]] = wave
        return [cross_fade([parts[clip, number] for number in range(len(plan))]) for clip, plan in enumerate(plans)]

    def velocity(self, context: Context, guidance: float, together: bool) -> Velocity:
        """The guided network.

        Args:
            context: of the latents' batch.
            guidance: 1 leaves the call without tokens out.
            together: both calls in one batch.
        """
        if guidance == 1:
            return lambda x, step: self.predict(x, step, context.given)
        if not together:
            return lambda x, step: _guide(self.predict(x, step, context.empty), self.predict(x, step, context.given), guidance)
        both = torch.cat([context.empty, context.given])

        def twice(x: Tensor, step: int) -> Tensor:
            empty, given = self.predict(torch.cat([x, x]), step, both).chunk(2)
            return _guide(empty, given, guidance)

        return twice

    def predict(self, x: Tensor, step: int, context: Tensor) -> Tensor:
        """One call of the U-Net, in half precision on a GPU that was asked for it."""
        steps = torch.full((len(x),), step, device=x.device)
        return self.unet(x, steps, encoder_hidden_states=context, return_dict=False)[0]

    def mel(self, latents: Tensor) -> Tensor:
        """``(B, 8, T, 16)`` → ``(B, 4·T, 64)`` log-mel."""
        return self.vae.decode(latents / self.scale_factor, return_dict=False)[0][:, 0]

    def wave(self, latents: Tensor) -> Tensor:
        """``(B, 8, T, 16)`` → ``(B, 640·T + 32)`` samples."""
        return self.vocoder(self.mel(latents))

    def _batch(self, context: Context, sampling: Sampling, generators: list[torch.Generator]) -> Tensor:
        frames = context.given.shape[1] * self.config.samples_per_pair // LATENT_HOP
        shape = (LATENT_CHANNELS, frames, LATENT_BINS)
        draw: Callable[[], Tensor] = lambda: torch.stack(  # noqa: E731
            [torch.randn(shape, generator=generator) for generator in generators]
        ).to(self.device)
        half = self.device.type == "cuda"
        with torch.autocast("cuda", torch.float16) if half else full_precision(self.device):
            latents = sample(self.velocity(context, sampling.guidance, together=True), self.schedule, draw, sampling)
        return self.wave(latents.float())[:, : frames * LATENT_HOP]


def cross_fade(parts: list[Tensor]) -> Tensor:
    """Joins windows that share 0.64 s with their neighbours."""
    wave = parts[0]
    rise = torch.linspace(0, 1, FADE, device=wave.device)
    for part in parts[1:]:
        shared = wave[-FADE:] * rise.flip(0) + part[:FADE] * rise
        wave = torch.cat([wave[:-FADE], shared, part[FADE:]])
    return wave


def _guide(empty: Tensor, given: Tensor, guidance: float) -> Tensor:
    return empty + guidance * (given - empty)
