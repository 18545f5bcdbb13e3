"""A codec's networks whose decoder draws envelopes by diffusion: the same tokens, another sound."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from codec.config import DiffusionDecoderConfig, ModelConfig
from codec.networks.diffusion.decoder import DiffusionDecoder
from codec.networks.pitch import Pitch
from codec.networks.samplers import Sampling, window_generator
from codec.networks.source_filter import Phases
from codec.networks.source_filter_codec import Drawing, SourceFilterNetworks
from codec.networks.token_decoder import FRAMES_PER_TOKEN_FRAME, Frames
from codec.networks.tones import N_TONES, Tones

NOISE_BLOCK = 64
"""Frames of 50 Hz whose noise is drawn together."""
DEFAULT = Sampling("dpm", steps=25)


class DiffusionNetworks(SourceFilterNetworks):
    """`SourceFilterNetworks` with a second decoder between the first and the vocoder.

    A window's noise belongs to its place in the stream, so that neighbouring windows agree where they overlap.

    Args:
        config: sizes of the codec.
        decoder: sizes of the second decoder.

    Attributes:
        sampling: how to decode.
        seed: of the noise.
    """

    def __init__(self, config: ModelConfig, decoder: DiffusionDecoderConfig) -> None:
        super().__init__(config)
        self.diffusion = DiffusionDecoder(decoder, config.mel.n_mels, config.decoder.fine_dim)
        self.sampling, self.seed = DEFAULT, 0

    @property
    def decoder_context(self) -> int:
        """Frames of 50 Hz on either side of a window that are decoded with it."""
        largest = self.decoder_step
        return super().decoder_context + -(-self.diffusion.receptive_field // largest) * largest

    def codes_to_drawing(self, codes: Tensor, frames_per_token: int, vocab: int) -> Tensor:
        """Codes ``(B, S, N)`` → what they say, packed into one tensor; the noise depends on the place in the stream."""
        frames = self.codes_to_frames(codes, frames_per_token, vocab)
        tones = self.codes_to_tones(codes.to(frames.mel.device), frames_per_token)
        heights = torch.stack([frames.octave, frames.voicing, tones.share], -1)
        return torch.cat([frames.mel, frames.hidden.float(), heights, tones.frequency, tones.amplitude], -1)

    def sound(
        self, drawing: Tensor, state: Phases | None = None, left: int = 0, start: int = 0, stop: int | None = None
    ) -> tuple[Tensor, Phases]:
        """Draws a window's envelope, then its wave; arguments as `SourceFilterNetworks.sound` takes them."""
        n_mels = self.config.mel.n_mels
        mel, hidden, heights, frequency, amplitude = torch.split(
            drawing, [n_mels, drawing.shape[-1] - n_mels - 3 - 2 * N_TONES, 3, N_TONES, N_TONES], -1
        )
        frames, tones = Frames(mel, heights[..., 0], heights[..., 1], hidden), Tones(frequency, amplitude, heights[..., 2])
        draw = noise_of(self.seed, left, drawing.shape[1] // FRAMES_PER_TOKEN_FRAME, self.diffusion.width)
        drawn = self.diffusion.sample(self.diffusion.condition(frames), self.sampling, draw)
        pitch: Pitch = frames.pitch
        packed = Drawing(self.vocoder(drawn, pitch, frames.hidden), pitch, tones).packed()
        return super().sound(packed, state, left, start, stop)


def noise_of(seed: int, left: int, frames: int, width: int) -> Callable[[], Tensor]:
    """Noise of a stretch of a stream, the same whatever stretch it is a part of; every call gives more.

    Args:
        seed: of all of it.
        left: first frame of 50 Hz.
        frames: how many.
        width: of a frame.

    Example:
        >>> torch.equal(noise_of(0, 0, 100, 2)()[70:], noise_of(0, 70, 30, 2)())
        True
    """
    first, last = left // NOISE_BLOCK, -(-(left + frames) // NOISE_BLOCK)
    generators = [window_generator(seed, block) for block in range(first, last)]
    offset = left - first * NOISE_BLOCK

    def draw() -> Tensor:
        blocks = [torch.randn(NOISE_BLOCK, width, generator=generator) for generator in generators]
        return torch.cat(blocks)[offset : offset + frames]

    return draw
