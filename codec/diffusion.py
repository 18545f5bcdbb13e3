"""Our own codec with its second decoder: the same tokens, another sound."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from codec.errors import CodecError, ModelError
from codec.model import Codec
from codec.networks.diffusion.decoder import DiffusionDecoder
from codec.networks.networks import Networks
from codec.networks.samplers import Sampling, window_generator
from codec.streaming import WHOLE, Grid, appended, require_open
from codec.tokens import Tokens

WINDOW, OVERLAP = 512, 32
"""Frames of 20 ms that are decoded at once, and that neighbours share at least: 10.24 s and 0.64 s, as in the paper."""
DEFAULT = Sampling("dpm", steps=25)


class DiffusionCodec(Codec):
    """Encodes as `Codec` does, decodes by diffusion.

    Args:
        diffusion: trained weights of the second decoder.
        networks: of the codec whose tokens these are, and so on; see `Codec`.

    Attributes:
        sampling: how to decode.
        seed: of the noise.
        step: frames from one window to the next.

    Raises:
        ModelError: no step suits both tokens and the vocoder's head.
    """

    def __init__(
        self,
        diffusion: DiffusionDecoder,
        networks: Networks,
        name: str,
        fingerprint: str,
        rate: int | None = None,
        vocab: int | None = None,
        folder: Path | None = None,
    ) -> None:
        super().__init__(networks, name, fingerprint, rate, vocab, folder)
        self.diffusion = diffusion.eval().requires_grad_(False)
        self.sampling, self.seed = DEFAULT, 0
        # Windows begin at whole tokens of every rate, and where the phases of the vocoder's head do.
        head, stack = self.diffusion.vocoder.head, max(networks.config.stacks)
        self.step = (WINDOW - OVERLAP) // math.lcm(stack, head.period) * math.lcm(stack, head.period)
        if not self.step:
            raise ModelError(f"{name}: the diffusion decoder's n_fft {head.n_fft} does not fit into windows of {WINDOW} frames")

    def stream_decoder(self, tokens: Tokens | None = None, grid: Grid = WHOLE) -> WindowDecoder:  # type: ignore[override]
        """A decoder to push codes into; it gives sound a window of 10.24 s at a time.

        Raises:
            CodecError: a grid for live audio is asked for.
        """
        if grid is not WHOLE:
            raise CodecError("the diffusion decoder works on windows of 10.24 s: it has no low-latency mode")
        tokens = self.describe(self.sample_rate) if tokens is None else tokens
        return WindowDecoder(self, self._stack(tokens), tokens.codebook_sizes[0])

    def _heard(self, count: int, stack: int) -> int:
        return sys.maxsize  # the last window begins so that it ends with the tokens

    def _decode_clips(self, tokens: Tokens, clips: list[np.ndarray]) -> list[np.ndarray]:
        rows = []
        for codes in clips:
            stream = self.stream_decoder(tokens)
            rows.append(torch.cat([stream.push(codes[None]), stream.flush()], dim=1)[0].numpy())
        return rows


class WindowDecoder:
    """Turns pushed codes into audio, window by window; windows are cross-faded where they overlap.

    Every window has noise of its own, so pushing in pieces gives what pushing all at once gives.

    Args:
        codec: the networks and how to sample.
        stack: 50 Hz frames per token.
        vocab: semantic vocabulary.
    """

    def __init__(self, codec: DiffusionCodec, stack: int, vocab: int) -> None:
        self._codec, self._stack, self._vocab = codec, stack, vocab
        self._sizes = codec.networks.codebook_sizes(vocab)
        self._step = codec.step
        self._held: Tensor | None = None
        self._fading: Tensor | None = None
        self._number = 0
        self._ended = False

    def push(self, codes: Tensor | np.ndarray) -> Tensor:
        """``(channels, S, n)`` codes → ``(channels, ready)`` samples.

        Raises:
            CodecError: as `codec.streaming.StreamDecoder.push`.
        """
        require_open(self._ended)
        held = None if self._held is None else self._held.numpy()
        self._held = torch.from_numpy(appended(held, codes, self._sizes))
        parts = [torch.zeros(len(self._held), 0)]
        window, step = WINDOW // self._stack, self._step // self._stack
        while self._held.shape[2] > window:
            wave = self._joined(self._wave(self._held[:, :, :window]))
            fade = (WINDOW - self._step) * self._codec.networks.config.hop_length
            self._fading = wave[:, -fade:]
            parts.append(wave[:, :-fade])
            self._held = self._held[:, :, step:]
        return torch.cat(parts, dim=1)

    def flush(self) -> Tensor:
        """The audio of everything that was pushed and is still waiting; the stream ends with it.

        Raises:
            CodecError: the stream was flushed before.
        """
        require_open(self._ended)
        self._ended = True
        if self._held is None or not self._held.shape[2]:
            return torch.zeros(0 if self._held is None else len(self._held), 0)
        wave, self._held = self._joined(self._wave(self._held)), None
        return wave

    def _joined(self, wave: Tensor) -> Tensor:
        if self._fading is None:
            return wave
        rise = torch.linspace(0, 1, self._fading.shape[1])
        shared = self._fading * (1 - rise) + wave[:, : len(rise)] * rise
        return torch.cat([shared, wave[:, len(rise) :]], dim=1)

    @torch.no_grad()
    def _wave(self, codes: Tensor) -> Tensor:
        networks, diffusion = self._codec.networks, self._codec.diffusion
        frames = diffusion.frames(*networks.codes_to_values(codes, self._stack, self._vocab), self._stack)
        generator = window_generator(self._codec.seed, self._number)
        self._number += 1
        wave: Tensor = diffusion.vocoder(diffusion.sample(frames, self._codec.sampling, generator)).cpu()
        return wave.clamp(-1, 1)
